"""How large the network sees a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS

Results = dict[str, Any]


@TRANSFORMS.register_module()
class Resize(BaseTransform):
    """Resize the picture, bilinear; sets `img_shape` and `scale_factor` (x, y).

    With `keep_ratio` the picture becomes as large as possible while its long edge is at most the
    larger and its short edge at most the smaller number of `scale`; sides are rounded,
    int(side * factor + 0.5).

    With `multiple` the rule is that of the authors' Caffe code at test time: the short edge becomes
    the smaller number, the long edge alone is cut down to the larger one where it would be longer,
    and then each side is rounded to a multiple. So the two factors differ a little, and much for a
    long strip: (1000, 600) with multiple=32 makes 480 x 640 into 608 x 800.

    Source: Fast R-CNN's rule (short edge 600, long edge at most 1000) as in mmdetection, which
    takes `scale` = (1333, 800) for COCO. Several scales are Detectron's training for ResNeXt-152,
    `short_sides` is detectron2's "range".
    """

    def __init__(
        self,
        scale: Sequence[int] | Sequence[Sequence[int]] = (1333, 800),
        short_sides: Sequence[int] | None = None,
        keep_ratio: bool = True,
        multiple: int | None = None,
    ) -> None:
        """Check the sizes.

        Args:
            scale: (long edge, short edge), or without `keep_ratio` (width, height), in pixels; or a
                list of those, of which each picture takes one at random.
            short_sides: (least, most): the short edge is drawn from these whole numbers, both
                included, and `scale` gives the long edge only.
            keep_ratio: keep the picture's proportions.
            multiple: round each side to a multiple of this, as the class says; None: do not.

        Raises:
            InputError: a scale is not two positive numbers, or `short_sides` or `multiple` does not
                fit.
        """
        several = len(scale) > 0 and isinstance(scale[0], Sequence)
        self.scales = [_pair(s, "scale") for s in (scale if several else [scale])]
        self.short_sides = None if short_sides is None else _pair(short_sides, "short_sides")
        self.keep_ratio = keep_ratio
        self.multiple = multiple
        if not self.scales:
            raise InputError("scale is an empty list: give (long edge, short edge)")
        whole = isinstance(multiple, int) and not isinstance(multiple, bool) and multiple > 0
        if multiple is not None and not (whole and keep_ratio):
            raise InputError(
                "multiple of Resize must be a whole number above 0, with keep_ratio=True, got "
                f"multiple={multiple!r}, keep_ratio={keep_ratio!r}"
            )
        if self.short_sides is None:
            return
        if self.short_sides[0] > self.short_sides[1] or len(self.scales) > 1 or not keep_ratio:
            raise InputError(
                "short_sides must be (least, most) with one scale and keep_ratio=True, got "
                f"short_sides={short_sides!r}, scale={scale!r}, keep_ratio={keep_ratio!r}"
            )

    def _pick(self) -> tuple[int, int]:
        """The scale for one picture."""
        if self.short_sides is not None:
            low, high = self.short_sides
            short = int(np.random.randint(low, high + 1))
            return max(*self.scales[0], short), short
        if len(self.scales) == 1:
            return self.scales[0]
        return self.scales[np.random.randint(len(self.scales))]

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) that a picture of this width and height gets; draws the scale."""
        scale = self._pick()
        if not self.keep_ratio:
            return scale
        factor = min(scale) / min(width, height)
        if self.multiple is not None:
            unit = self.multiple
            sides = (min(side * factor, max(scale)) for side in (width, height))
            new_width, new_height = (max(int(side / unit + 0.5), 1) * unit for side in sides)
            return new_width, new_height
        factor = min(factor, max(scale) / max(width, height))
        # A strip of 1 x 5000 would otherwise lose its last pixel.
        return max(int(width * factor + 0.5), 1), max(int(height * factor + 0.5), 1)

    def transform(self, results: Results) -> Results:
        """Resize `img`."""
        image = results["img"]
        height, width = image.shape[:2]
        new_width, new_height = self._size(width, height)
        if (new_width, new_height) != (width, height):
            image = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        original_height, original_width = results["ori_shape"]
        results["img"] = image
        results["img_shape"] = (new_height, new_width)
        results["scale_factor"] = (new_width / original_width, new_height / original_height)
        return results


def _pair(value: Any, name: str) -> tuple[int, int]:
    whole = isinstance(value, Sequence) and all(isinstance(v, int) and v > 0 for v in value)
    if not whole or len(value) != 2:
        raise InputError(f"{name} must be two whole numbers above 0, got {value!r}")
    return value[0], value[1]
