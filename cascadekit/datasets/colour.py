"""Colour jitter as the released Caffe configs train with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS

Results = dict[str, Any]

HUES = 180  # OpenCV's 8-bit hue counts steps of 2 degrees


def change_channel(channel: np.ndarray, factor: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Value * factor + shift, rounded (halves to even) and kept within 0..255.

    Args:
        channel: uint8, any shape.
        factor: 0 or more.
        shift: in steps of the value.

    Returns:
        uint8, the same shape.
    """
    table = np.rint(np.arange(256) * factor + shift).clip(0, 255).astype(np.uint8)
    return cv2.LUT(channel, table)


def change_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the saturation of a picture (H, W, 3) uint8 BGR; grey stays grey."""
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    changed = cv2.merge([hue, change_channel(saturation, factor), value])
    return cv2.cvtColor(changed, cv2.COLOR_HSV2BGR)


def change_hue(image: np.ndarray, shift: float) -> np.ndarray:
    """Shift the hue of a picture (H, W, 3) uint8 BGR by steps of 2 degrees.

    Below 0 it stops, above it goes round: the Caffe code adds in 8 bits, which hold 0..255, and
    OpenCV reads 180 as 0. So a shift towards 0 leaves the reddest reds as they are.
    """
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    changed = cv2.merge([change_channel(hue, shift=shift) % HUES, saturation, value])
    return cv2.cvtColor(changed, cv2.COLOR_HSV2BGR)


@TRANSFORMS.register_module()
class ColourJitter(BaseTransform):
    """Change brightness, contrast, saturation and hue, each with probability `prob`.

    Brightness comes first and contrast either second or last, with equal chance; saturation comes
    before hue. Each step rounds to uint8. Pictures are jittered as they are in the file, so it
    belongs before `Resize`, as in the Caffe code.

    Source: the numbers, the order and the 8-bit steps are those of the released Caffe code, which
    has them from SSD (Liu et al. 2016); all its COCO configs and VOC's AlexNet and VGG train so,
    VOC's R-FCN does not, and the paper speaks of flips only. Ours alone: the random numbers come
    from numpy.
    """

    def __init__(
        self,
        brightness: float = 32,
        contrast: Sequence[float] = (0.5, 1.5),
        saturation: Sequence[float] = (0.5, 1.5),
        hue: float = 18,
        prob: float = 0.5,
    ) -> None:
        """Check the numbers; each change is drawn evenly from its range.

        Args:
            brightness: what is added to all channels lies in [-brightness, brightness]; of 255.
            contrast: (least, most) factor of all channels.
            saturation: (least, most) factor of the saturation.
            hue: the shift lies in [-hue, hue], in steps of 2 degrees.
            prob: of each change, in [0, 1].

        Raises:
            InputError: a range is negative or turned round, or `prob` is outside [0, 1].
        """
        if not 0 <= prob <= 1:
            raise InputError(f"prob of ColourJitter must be in [0, 1], got {prob!r}")
        for name, most in (("brightness", brightness), ("hue", hue)):
            if not 0 <= most <= 255:
                raise InputError(f"{name} of ColourJitter must be in 0..255, got {most!r}")
        self.brightness, self.hue, self.prob = brightness, hue, prob
        self.contrast = _factors(contrast, "contrast")
        self.saturation = _factors(saturation, "saturation")

    def transform(self, results: Results) -> Results:
        """Change `img`, (H, W, 3) uint8 BGR; boxes and masks stay."""
        contrast_last = np.random.random() < 0.5
        image = results["img"]
        if self._chosen():
            shift = np.random.uniform(-self.brightness, self.brightness)
            image = change_channel(image, shift=shift)
        if not contrast_last:
            image = self._contrast(image)
        if self._chosen():
            image = change_saturation(image, np.random.uniform(*self.saturation))
        if self._chosen():
            image = change_hue(image, np.random.uniform(-self.hue, self.hue))
        if contrast_last:
            image = self._contrast(image)
        results["img"] = image
        return results

    def _chosen(self) -> bool:
        return bool(np.random.random() < self.prob)

    def _contrast(self, image: np.ndarray) -> np.ndarray:
        if not self._chosen():
            return image
        return change_channel(image, factor=np.random.uniform(*self.contrast))


def _factors(value: Any, name: str) -> tuple[float, float]:
    """(least, most) as floats, or an InputError."""
    numbers = isinstance(value, Sequence) and all(isinstance(v, int | float) for v in value)
    if not numbers or len(value) != 2 or not 0 <= value[0] <= value[1]:
        raise InputError(f"{name} of ColourJitter must be (least, most), got {value!r}")
    return float(value[0]), float(value[1])
