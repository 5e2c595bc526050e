"""A record as it is seen through a window of the resized picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask

from cascadekit.datasets.transforms import transform_mask
from cascadekit.structures.masks import Window
from cascadekit.structures.samples import ImageInfo

Stored = tuple[np.ndarray, np.ndarray]


def moved_boxes(boxes: Any, frame: ImageInfo, window: Window) -> np.ndarray:
    """Boxes in pixels of the file -> in pixels of the window.

    Args:
        boxes: (N, 4) xyxy, pixels of the file; N may be 0.
        frame: the picture as it is resized and mirrored.
        window: of that picture, whole pixels, end excluded.

    Returns:
        (N, 4) float64 xyxy, counted from the window's corner; not cut, so they may stick out.
    """
    rows = torch.from_numpy(np.asarray(boxes, np.float64).reshape(-1, 4))
    left, top = window[:2]
    return frame.to_network(rows).numpy() - (left, top, left, top)


def instances_in_window(
    instances: Sequence[Mapping[str, Any]], frame: ImageInfo, window: Window
) -> list[dict[str, Any]]:
    """The objects and ignore regions of a window, as if it were a picture of its own.

    Objects with their centre in the window stay objects; others become ignore regions. What has no
    part inside is dropped. Boxes keep their whole size and may stick out of the window: whether an
    object is large enough is asked of all of it, and `PackInputs` cuts boxes at the border.

    Args:
        instances: in pixels of the file; may be empty.
        frame: the picture as it is resized and mirrored.
        window: of that picture, whole pixels, end excluded.

    Returns:
        New instances in pixels of the window, in their order; may be empty.
    """
    found = []
    width, height = window[2] - window[0], window[3] - window[1]
    stretch = frame.size[0] * frame.size[1] / (frame.original_size[0] * frame.original_size[1])
    for instance in instances:
        box = moved_boxes(instance["bbox"], frame, window)[0]
        x1, y1, x2, y2 = box.tolist()
        if min(x2, width) <= max(x1, 0) or min(y2, height) <= max(y1, 0):
            continue
        seen = 0 <= (x1 + x2) / 2 < width and 0 <= (y1 + y2) / 2 < height
        moved = {
            **instance,
            "bbox": [x1, y1, x2, y2],
            "area": instance["area"] * stretch,
            "ignore": instance["ignore"] if seen else 1,
            "segmentation": _moved_mask(instance.get("segmentation"), frame, window),
        }
        if moved.get("visible_bbox") is not None:
            moved["visible_bbox"] = moved_boxes(moved["visible_bbox"], frame, window)[0].tolist()
        found.append(moved)
    return found


def proposals_in_window(stored: Stored, frame: ImageInfo, window: Window) -> Stored:
    """Stored proposals of a window; those without a part inside are dropped.

    Args:
        stored: (n, 4) boxes in pixels of the file and (n,) scores; n may be 0.
        frame: the picture as it is resized and mirrored.
        window: of that picture, whole pixels, end excluded.

    Returns:
        Boxes in pixels of the window, cut at its border, and their scores.
    """
    width, height = window[2] - window[0], window[3] - window[1]
    boxes = moved_boxes(stored[0], frame, window)
    boxes = boxes.clip(0, np.array([width, height, width, height], np.float64))
    solid = (boxes[:, 2:] > boxes[:, :2]).all(1)
    return boxes[solid], np.asarray(stored[1])[solid]


def _moved_mask(segmentation: Any, frame: ImageInfo, window: Window) -> Any:
    """Polygons as numbers, not cut; RLE of the window; None for nothing."""
    if segmentation is None:
        return None
    if isinstance(segmentation, Mapping):
        return _moved_rle(segmentation, frame, window)
    moved = []
    for polygon in segmentation:
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        both = moved_boxes(np.concatenate([points, points], 1), frame, window)  # (P, 4)
        moved.append(both[:, 2:].ravel().tolist())
    return moved


def _moved_rle(segmentation: Any, frame: ImageInfo, window: Window) -> Any:
    (x1, y1, x2, y2), bitmap = transform_mask(segmentation, frame)
    left, top = max(x1, window[0]), max(y1, window[1])
    right, bottom = min(x2, window[2]), min(y2, window[3])
    if right <= left or bottom <= top:
        return None
    whole = np.zeros((window[3] - window[1], window[2] - window[0]), np.uint8, order="F")
    part = bitmap[top - y1 : bottom - y1, left - x1 : right - x1]
    whole[top - window[1] : bottom - window[1], left - window[0] : right - window[0]] = part
    return coco_mask.encode(whole) if part.any() else None
