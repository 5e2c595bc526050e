"""Objects that are too small to be learned."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform

from cascadekit.datasets.records import is_object
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS

Results = dict[str, Any]


@TRANSFORMS.register_module()
class IgnoreSmall(BaseTransform):
    """Make ignore regions of objects below a size, in training only; after all that resizes.

    Sizes are pixels of the picture that the network sees. After `ObjectCrop` the whole object is
    measured, also where it sticks out of the window.

    Source: the data layer of MS-CNN's released code: heights from 35 (KITTI) or 40 (CityPersons),
    both sides from 8 (WiderFace). Width there is x2 - x1 + 1, here x2 - x1.
    """

    def __init__(self, min_width: float = 0, min_height: float = 0) -> None:
        """Check the sizes.

        Args:
            min_width: least width of an object, pixels.
            min_height: least height of an object, pixels.

        Raises:
            InputError: a size below 0.
        """
        if min_width < 0 or min_height < 0:
            raise InputError(f"IgnoreSmall: a size is below 0: {min_width}, {min_height}")
        self.min_width = min_width
        self.min_height = min_height

    def transform(self, results: Results) -> Results:
        """Set `ignore` of small objects; the record's own instances are not changed.

        Args:
            results: with `img_shape` and `ori_shape`; `instances` may be empty or missing.

        Returns:
            The same dict.

        Raises:
            InputError: in test mode, where each benchmark says itself what counts.
        """
        if results.get("test_mode"):
            raise InputError(
                "IgnoreSmall is for training: in test mode the benchmark's evaluation says what "
                "counts; take it out of the test pipeline"
            )
        scale_y = results["img_shape"][0] / results["ori_shape"][0]
        scale_x = results["img_shape"][1] / results["ori_shape"][1]
        kept = []
        for instance in results.get("instances", []):
            x1, y1, x2, y2 = instance["bbox"]
            narrow = (x2 - x1) * scale_x < self.min_width
            small = narrow or (y2 - y1) * scale_y < self.min_height
            kept.append({**instance, "ignore": 1} if small and is_object(instance) else instance)
        results["instances"] = kept
        return results
