"""Several views of each test picture, for `TestTimeAug`."""

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
class TestViews(BaseTransform):
    """Pack the picture as the plain pipeline does, then again at other sizes and mirrored.

    Gives {"inputs": V x (3, h, w) uint8 BGR, "data_samples": V data elements}; mmengine's collate
    turns a batch of those into lists of V views of B pictures, and `DetectionPreprocessor` knows
    them. View 0 is what the plain pipeline gives, then come its mirror image, the first other size,
    its mirror image, and so on. Only view 0 carries the picture's objects.

    Every view is resized from the picture as it was read, never from another view. Sizes are given
    relative to view 0, so the same settings serve any pipeline: a picture at short edge 800 seen at
    0.5 has the short edge 400.

    Source: Detectron's `TEST.BBOX_AUG`; there sizes are pixels of the short edge with a limit of
    their own for the long one, which differs for pictures longer than 5 : 3 only.
    """

    def __init__(
        self,
        transforms: Sequence[dict[str, Any]],
        scales: Sequence[float] = (),
        flip: bool = True,
    ) -> None:
        """Build the plain pipeline.

        Args:
            transforms: configs of what follows `LoadImage` in the plain test pipeline; the last one
                packs.
            scales: sizes of the other views as factors of view 0's; may be empty.
            flip: whether each is also seen mirrored left to right.

        Raises:
            InputError: there are no transforms, or a scale is not a number above 0.
        """
        if not transforms:
            raise InputError("TestViews: transforms is empty, it must end in PackInputs")
        for scale in scales:
            if isinstance(scale, bool) or not isinstance(scale, int | float) or not scale > 0:
                raise InputError(f"TestViews: scales must be numbers above 0, got {scale!r}")
        *plain, pack = [TRANSFORMS.build(transform) for transform in transforms]
        self.plain = plain
        self.pack = pack
        self.scales = tuple(scales)
        self.flip = flip

    def transform(self, results: Results) -> Results:
        """Make all views of one picture.

        Args:
            results: of `LoadImage`, `img` (H, W, 3) uint8 BGR.

        Returns:
            `inputs` and `data_samples`, as the class says; V is at least 1.
        """
        image = results["img"]
        first = dict(results)
        for transform in self.plain:
            first = transform(first)
        views = [first]
        # The objects are needed once, to evaluate; their masks would be drawn for every view.
        bare = {**first, "instances": []}
        if self.flip:
            views.append(_mirrored(bare))
        for scale in self.scales:
            view = _resized(bare, image, scale)
            views.extend([view, _mirrored(view)] if self.flip else [view])
        packed = [self.pack(view) for view in views]
        return {key: [view[key] for view in packed] for key in ("inputs", "data_samples")}


def _resized(view: Results, image: np.ndarray, scale: float) -> Results:
    """A view like another, `scale` times as large, from the picture (H, W, 3) as it was read."""
    # A strip must not lose its last pixel.
    height, width = (max(int(side * scale + 0.5), 1) for side in view["img_shape"])
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    original_height, original_width = view["ori_shape"]
    factors = (width / original_width, height / original_height)
    return {**view, "img": image, "img_shape": (height, width), "scale_factor": factors}


def _mirrored(view: Results) -> Results:
    """The same view mirrored left to right."""
    return {**view, "img": cv2.flip(view["img"], 1), "flip": not view["flip"]}
