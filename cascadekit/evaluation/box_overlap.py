"""Overlap of boxes in double precision, with or without the devkits' "+1".

The torch functions of `structures/boxes.py` serve the model: float32, no "+1", unions kept off
zero. A metric must divide the same doubles in the same order as its devkit, or overlaps of exactly
the threshold fall on the other side.
"""

from __future__ import annotations

import numpy as np

BLOCK = 2_000_000  # overlaps at a time: a picture may have thousands of boxes of both kinds


def corners(boxes_xywh: np.ndarray) -> np.ndarray:
    """Turn x, y, width, height into the corners that the functions below take.

    Args:
        boxes_xywh: (N, 4) float64; N may be 0.

    Returns:
        (N, 4) float64 xyxy, x2 = x + width: no "+1" here.
    """
    return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)


def areas(boxes: np.ndarray, extra: float = 0.0) -> np.ndarray:
    """Area of each box.

    Args:
        boxes: (N, 4) float64 xyxy; N may be 0.
        extra: added to each side: 1 where the last pixel is counted, 0 elsewhere.

    Returns:
        (N,) float64. Not clipped: that of a box turned inside out in one direction is negative.
    """
    return (boxes[:, 2] - boxes[:, 0] + extra) * (boxes[:, 3] - boxes[:, 1] + extra)


def intersections(boxes: np.ndarray, others: np.ndarray, extra: float = 0.0) -> np.ndarray:
    """Area that two boxes share, for every pair.

    Args:
        boxes: (N, 4) float64 xyxy; N may be 0.
        others: (M, 4) float64 in the same frame; M may be 0.
        extra: added to each side.

    Returns:
        (N, M) float64, 0 where they do not meet.
    """
    width = np.minimum(boxes[:, None, 2], others[None, :, 2])  # (N, M)
    width -= np.maximum(boxes[:, None, 0], others[None, :, 0])
    height = np.minimum(boxes[:, None, 3], others[None, :, 3])
    height -= np.maximum(boxes[:, None, 1], others[None, :, 1])
    width += extra
    height += extra
    return np.maximum(width, 0) * np.maximum(height, 0)


def iou_of(inter: np.ndarray, sizes: np.ndarray, other_sizes: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair.

    Args:
        inter: (N, M) shared areas.
        sizes: (N,) areas.
        other_sizes: (M,) areas.

    Returns:
        (N, M) float64, 0 where nothing is shared, whatever the areas.
    """
    union = sizes[:, None] + other_sizes[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=inter > 0)


def cover_of(inter: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Share of each box that lies inside each region (intersection over the box's own area).

    Args:
        inter: (N, M) shared areas.
        sizes: (N,) areas of the boxes.

    Returns:
        (N, M) float64, 0 where nothing is shared.
    """
    return np.divide(inter, sizes[:, None], out=np.zeros_like(inter), where=inter > 0)


def nearest(
    boxes: np.ndarray, others: np.ndarray, extra: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """For each box the other that it overlaps most, the first of equals.

    Args:
        boxes: (N, 4) float64 xyxy; N may be 0.
        others: (M, 4) float64 in the same frame; M may be 0.
        extra: added to each side.

    Returns:
        (N,) int, row of the other, and (N,) float64, the IoU with it; both 0 where M is 0 or
        nothing is shared.
    """
    row, overlap = np.zeros(len(boxes), int), np.zeros(len(boxes))
    if not len(others):
        return row, overlap
    sizes, other_sizes = areas(boxes, extra), areas(others, extra)
    step = max(1, BLOCK // len(others))
    for start in range(0, len(boxes), step):
        block = slice(start, start + step)
        iou = iou_of(intersections(boxes[block], others, extra), sizes[block], other_sizes)
        row[block], overlap[block] = iou.argmax(1), iou.max(1)
    return row, overlap
