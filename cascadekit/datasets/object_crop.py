"""A part of the picture around an object chosen at random, at a scale chosen at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from cascadekit.datasets.record_window import (
    instances_in_window,
    moved_boxes,
    proposals_in_window,
)
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS
from cascadekit.structures.masks import Window
from cascadekit.structures.samples import ImageInfo

Results = dict[str, Any]
NOISE = 10  # pixels by which the window's centre is off the object's, at most
STEPS = 2  # scales per octave


@TRANSFORMS.register_module()
class ObjectCrop(BaseTransform):
    """Cut a window out of the picture; after `RandomFlip` and `Resize`, in training only.

    1. An object is chosen at random; one that is ignored (too small, "difficult") may be it, a
       region may not. Without any the window lies anywhere, at scale 1.
    2. With `scales` and probability `prob` the picture is rescaled. The scales are sides of squares
       from the least to the greatest in half octaves; the object's area is at the nearest of them,
       and is taken to one of them at random.
    3. The window's centre is the object's, 10 pixels off at most in x and y, moved so that the
       window lies in the picture. A picture that is smaller is left as it is in that direction.
    4. Objects with their centre outside become ignore regions (`record_window`).

    The window is a picture of its own afterwards: `instances` and stored `proposals` are in its
    pixels, it is not mirrored and not resized, and other transforms may follow.

    Source: the data layer of MS-CNN's released code, for KITTI, CityPersons and WiderFace. Where we
    differ: a smaller picture is padded right and below with the batch, there it lies in the middle
    of its window, up to 10 pixels off; a box is cut at the window's border, there it is learned as
    it is; rescaling reads the picture at the exact places, there at most half a pixel off.
    """

    def __init__(
        self,
        size: Sequence[int],
        scales: Sequence[float] | None = None,
        prob: float = 0.5,
    ) -> None:
        """Check the sizes.

        Args:
            size: (width, height) of the window, pixels of the resized picture.
            scales: (least, greatest) side of the squares; None: no rescaling.
            prob: of rescaling, in [0, 1].

        Raises:
            InputError: sizes or scales are not two positive numbers, or `prob` is outside [0, 1].
        """
        if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
            raise InputError(f"size of ObjectCrop must be (width, height) above 0, got {size!r}")
        if scales is not None and (len(scales) != 2 or not 0 < scales[0] <= scales[1]):
            raise InputError(
                f"scales of ObjectCrop must be (least, greatest) above 0, got {scales!r}"
            )
        if not 0 <= prob <= 1:
            raise InputError(f"prob of ObjectCrop must be in [0, 1], got {prob!r}")
        self.width, self.height = size
        self.scales = scales
        self.prob = prob

    def transform(self, results: Results) -> Results:
        """Cut `img` and move the record to the window.

        Args:
            results: with `img` (H, W, 3) uint8; `instances` may be empty or missing.

        Returns:
            The same dict.

        Raises:
            InputError: in test mode, where records have to stay in pixels of the file.
        """
        if results.get("test_mode"):
            raise InputError(
                "ObjectCrop is for training: in test mode the whole picture is looked at, and "
                "evaluation needs pixels of the file; take it out of the test pipeline"
            )
        instances = results.get("instances", [])
        frame = ImageInfo(results["img_shape"], results["ori_shape"], flipped=results["flip"])
        box = _chosen(instances, frame)
        factor = 1.0
        if box is not None and self.scales is not None and np.random.random() < self.prob:
            factor = _factor(box, *self.scales)
        height, width = (max(int(side * factor + 0.5), 1) for side in frame.size)
        x = y = None
        if box is not None:
            x = (box[0] + box[2]) / 2 * width / frame.size[1]
            y = (box[1] + box[3]) / 2 * height / frame.size[0]
        left, top = _start(x, width, self.width), _start(y, height, self.height)
        window = (left, top, min(left + self.width, width), min(top + self.height, height))
        frame = ImageInfo((height, width), results["ori_shape"], flipped=results["flip"])
        return _as_picture(results, _cut(results["img"], (height, width), window), frame, window)


def _chosen(instances: Sequence[Mapping[str, Any]], frame: ImageInfo) -> np.ndarray | None:
    """(4,) box of an object in network pixels, or None where there is none to choose."""
    objects = [instance["bbox"] for instance in instances if not instance["iscrowd"]]
    if not objects:
        return None
    height, width = frame.size
    box = objects[np.random.randint(len(objects))]
    return moved_boxes(box, frame, (0, 0, width, height))[0]


def _factor(box: np.ndarray, least: float, greatest: float) -> float:
    """By how much to rescale, so that the box's area goes to one of the scales."""
    count = int(STEPS * math.log2(greatest / least) + 0.5) + 1
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    fields = [(least * 2 ** (k / STEPS)) ** 2 for k in range(count)]
    shares = [min(area, field) / max(area, field) for field in fields]
    nearest = shares.index(max(shares))
    return float(2 ** ((np.random.randint(count) - nearest) / STEPS))


def _start(centre: float | None, length: int, side: int) -> int:
    """First pixel of a window of some side along one axis of a picture of some length."""
    if length <= side:
        return 0
    if centre is None:  # anywhere
        return int(np.random.randint(length - side + 1))
    noise = int(np.random.randint(-NOISE, NOISE))
    return min(max(int(centre + 0.5) + noise - side // 2, 0), length - side)


def _cut(image: np.ndarray, size: tuple[int, int], window: Window) -> np.ndarray:
    """The window of the picture as it would be after resizing to (height, width) `size`."""
    x1, y1, x2, y2 = window
    if size == image.shape[:2]:
        return np.ascontiguousarray(image[y1:y2, x1:x2])
    down, across = size[0] / image.shape[0], size[1] / image.shape[1]
    # Pixel i has its centre at i + 1/2. The whole rescaled picture may be very large.
    matrix = np.array(
        [[across, 0, (across - 1) / 2 - x1], [0, down, (down - 1) / 2 - y1]], np.float64
    )
    return cv2.warpAffine(
        image, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _as_picture(results: Results, image: np.ndarray, frame: ImageInfo, window: Window) -> Results:
    """Make the window the picture, neither resized nor mirrored."""
    size = image.shape[:2]
    results["instances"] = instances_in_window(results.get("instances", []), frame, window)
    if results.get("proposals") is not None:
        results["proposals"] = proposals_in_window(results["proposals"], frame, window)
    results.update(img=image, img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), flip=False)
    results.update(height=size[0], width=size[1])
    return results
