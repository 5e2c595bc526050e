"""Functions on (N, 4) boxes: xyxy, float32, pixels, x2 - x1 is the width (no +1).

The released Caffe and Detectron codes count the last pixel in (width x2 - x1 + 1); like
mmdetection, detectron2 and torchvision we do not.
"""

from __future__ import annotations

import torch
from torch import Tensor


def area(boxes: Tensor) -> Tensor:
    """Area of each box.

    Args:
        boxes: (N, 4) xyxy pixels; N may be 0. Inverted boxes count as empty.

    Returns:
        (N,) float32 square pixels, >= 0.
    """
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return size[..., 0] * size[..., 1]


def _overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection area of every pair; (N, 4), (M, 4) -> (N, M)."""
    top_left = torch.maximum(boxes[:, None, :2], others[None, :, :2])  # (N, M, 2)
    bottom_right = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])  # (N, M, 2)
    size = (bottom_right - top_left).clamp(min=0)
    return size[..., 0] * size[..., 1]


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of every pair.

    Args:
        boxes: (N, 4) xyxy pixels; N may be 0.
        others: (M, 4) in the same frame; M may be 0.

    Returns:
        (N, M) float32 in [0, 1]; 0 where both boxes are empty.
    """
    inter = _overlap(boxes, others)
    union = area(boxes)[:, None] + area(others)[None, :] - inter
    return inter / union.clamp(min=1e-6)


def iou_aligned(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU of the i-th box with the i-th other.

    Args:
        boxes: (N, 4) xyxy pixels; N may be 0.
        others: (N, 4) in the same frame.

    Returns:
        (N,) float32 in [0, 1].
    """
    size = torch.minimum(boxes[:, 2:], others[:, 2:]) - torch.maximum(boxes[:, :2], others[:, :2])
    size = size.clamp(min=0)
    inter = size[:, 0] * size[:, 1]
    return inter / (area(boxes) + area(others) - inter).clamp(min=1e-6)


def cover(boxes: Tensor, regions: Tensor) -> Tensor:
    """Share of each box that lies inside each region (intersection over the box's own area).

    Args:
        boxes: (N, 4) xyxy pixels; N may be 0.
        regions: (M, 4), e.g. crowd or ignore regions; M may be 0.

    Returns:
        (N, M) float32 in [0, 1].
    """
    return _overlap(boxes, regions) / area(boxes).clamp(min=1e-6)[:, None]


def clip(boxes: Tensor, height: Tensor | float, width: Tensor | float) -> Tensor:
    """Cut boxes at the picture's border.

    Args:
        boxes: (..., 4) xyxy pixels.
        height: of the picture, a number or a tensor that broadcasts against `boxes[..., 1]`.
        width: likewise.

    Returns:
        (..., 4) with 0 <= x <= width and 0 <= y <= height; boxes outside become empty.
    """
    x1, y1, x2, y2 = boxes.clamp(min=0).unbind(-1)
    return torch.stack(
        [x1.clamp(max=width), y1.clamp(max=height), x2.clamp(max=width), y2.clamp(max=height)],
        dim=-1,
    )


def is_degenerate(boxes: Tensor, min_size: float = 0.0) -> Tensor:
    """Mark boxes that enclose nothing or are not finite.

    Args:
        boxes: (N, 4) xyxy pixels; N may be 0.
        min_size: sides must be longer than this, pixels.

    Returns:
        (N,) bool. Both sides are tested, and NaN or infinite coordinates count as degenerate.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    return ~((size > min_size).all(1) & boxes.isfinite().all(1))
