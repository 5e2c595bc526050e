"""Our delta coder where mmdetection's heads expect theirs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.registry import TASK_UTILS
from cascadekit.structures import boxes as box_ops


@TASK_UTILS.register_module()
class MMDetCoder(DeltaCoder):
    """`DeltaCoder` with the calls of mmdetection's `DeltaXYWHBBoxCoder`.

    The arguments are those of `DeltaCoder`. Boxes may come in mmdetection's box classes, deltas of
    several classes side by side.

    Attributes:
        encode_size: numbers per delta.
        use_box_type: whether `decode` gives mmdetection's box class; it gives tensors.
    """

    encode_size = 4
    use_box_type = False

    def encode(self, boxes: Any, targets: Any) -> Tensor:
        """As `DeltaCoder.encode`; either may be an instance of mmdetection's `BaseBoxes`."""
        return super().encode(_tensor(boxes), _tensor(targets))

    def decode(
        self, boxes: Any, deltas: Tensor, max_shape: tuple[int, ...] | Tensor | None = None
    ) -> Tensor:
        """Apply deltas, and cut the boxes at the picture's border if it is given.

        Args:
            boxes: (R, 4) xyxy pixels, or (B, R, 4); R may be 0.
            deltas: (R, 4), or (R, 4 * G) for G classes, or with B in front as `boxes`; normalised.
            max_shape: (height, width) of the picture; None: boxes are not cut.

        Returns:
            Shape of `deltas`, float32 xyxy pixels.

        Raises:
            ValueError: `boxes` and `deltas` differ in length.
        """
        rows = _tensor(boxes).flatten(0, -2)  # (R, 4)
        split = deltas.reshape(len(rows), deltas.shape[-1] // 4, 4)  # (R, G, 4)
        decoded = super().decode(rows, split)
        if max_shape is not None:
            decoded = box_ops.clip(decoded, float(max_shape[0]), float(max_shape[1]))
        return decoded.reshape(deltas.shape)


def _tensor(boxes: Any) -> Tensor:
    """The tensor in mmdetection's box classes, or the tensor itself."""
    inner = getattr(boxes, "tensor", boxes)
    assert isinstance(inner, torch.Tensor)
    return inner
