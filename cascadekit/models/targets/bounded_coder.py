"""Box deltas with bounds, as the proposal networks of the released Caffe code decode them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.registry import TASK_UTILS


@TASK_UTILS.register_module()
class BoundedDeltaCoder:
    """A `DeltaCoder` that moves and resizes a box only so far.

    Args:
        means: as in `DeltaCoder`.
        stds: as in `DeltaCoder`.
        most_shift: largest move of the centre, in widths and heights of the box.
        most_scale: largest factor by which a side grows or shrinks.

    Raises:
        InputError: `most_shift` is not positive or `most_scale` not above 1.

    Source: the released Caffe code bounds the deltas of its RPN by 1 and 8, those of MS-CNN by 1/2
    and 2, when it decodes and in the loss.
    """

    def __init__(
        self,
        means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
        stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
        most_shift: float = 1.0,
        most_scale: float = 8.0,
    ) -> None:
        if most_shift <= 0 or most_scale <= 1:
            raise InputError(
                f"expected most_shift > 0 and most_scale > 1, got {most_shift} and {most_scale}"
            )
        self.normalised = DeltaCoder(means, stds, clamp="none")
        self.limits = (most_shift, most_shift, math.log(most_scale), math.log(most_scale))

    def encode(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """Deltas that turn each box into its target: `DeltaCoder.encode`, no bounds."""
        return self.normalised.encode(boxes, targets)

    def bound(self, deltas: Tensor) -> Tensor:
        """Normalised deltas (..., 4), cut where they would move or resize too far."""
        means = deltas.new_tensor(self.normalised.means)
        stds = deltas.new_tensor(self.normalised.stds)
        limits = deltas.new_tensor(self.limits)
        return deltas.maximum((-limits - means) / stds).minimum((limits - means) / stds)

    def bound_straight(self, deltas: Tensor) -> Tensor:
        """Like `bound`, but gradients pass as if nothing were cut: the Caffe code's in the loss."""
        return deltas + (self.bound(deltas) - deltas).detach()

    def decode(self, boxes: Tensor, deltas: Tensor) -> Tensor:
        """Apply bounded deltas to boxes.

        Args:
            boxes: (R, 4) float32 xyxy pixels; R may be 0.
            deltas: (R, 4), or (R, G, 4) for G boxes from each; normalised, no unit.

        Returns:
            Shape of `deltas`, float32 xyxy pixels, not clipped to the picture.

        Raises:
            ValueError: `boxes` and `deltas` differ in length.
        """
        return self.normalised.decode(boxes, self.bound(deltas.float()))
