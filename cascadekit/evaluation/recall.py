"""Recall of class-agnostic boxes by a limit on their number, as proposals are scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import SIZES, THRESHOLDS
from cascadekit.structures.boxes import iou

# Square pixels; both ends belong to the size, as in COCO: an area of 1024 is small and medium.
AREA_LIMITS: Mapping[str, tuple[float, float]] = {
    "all": (0.0, math.inf),
    **dict(zip(SIZES, ((0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, math.inf)), strict=True)),
}
IOUS = np.array(THRESHOLDS) / 100  # 0.50, 0.55, ..., 0.95


@dataclass(frozen=True)
class BoxRecall:
    """How well boxes cover objects, as one overlap per object; every recall is read off it.

    Attributes:
        overlaps: limit on boxes per image -> size ("all", "small", "medium", "large") -> (N,)
            float64 in [0, 1], IoU of each object of that size with the box it was matched with;
            0 where no box was left or none touches it. N may be 0.
        images: size -> (N,) int64, the number of the image that each of those objects is in.
        num_images: images in all, with or without objects.
    """

    overlaps: Mapping[int, Mapping[str, np.ndarray]]
    images: Mapping[str, np.ndarray]
    num_images: int

    def recall(self, threshold: float, limit: int, size: str = "all") -> float:
        """Share of objects matched at an IoU of `threshold` or more; nan without objects."""
        found = self.overlaps[limit][size]
        return float((found >= threshold).mean()) if len(found) else math.nan

    def passed(self, limit: int, size: str = "all") -> np.ndarray:
        """(N,) float64: at which share of the ten thresholds each object is found."""
        found = self.overlaps[limit][size]
        return (found[:, None] >= IOUS).mean(1)

    def average(self, limit: int, size: str = "all", weights: np.ndarray | None = None) -> float:
        """AR: mean recall over IoU 0.50, 0.55, ..., 0.95; nan without objects.

        Args:
            limit: one of those matched with.
            size: "all", "small", "medium" or "large".
            weights: (num_images,) whole numbers, how often each image counts; None: once.

        Returns:
            A fraction in [0, 1], or nan.
        """
        found = self.passed(limit, size)
        if weights is None:
            return float(found.mean()) if len(found) else math.nan
        times = np.asarray(weights)[self.images[size]]
        return float(times @ found / times.sum()) if times.sum() else math.nan

    def as_dict(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Flat names -> fractions: AR100, AR100_small, ..., AR1000, ..., AR1000_large."""
        return {
            f"AR{limit}" + ("" if size == "all" else f"_{size}"): self.average(limit, size, weights)
            for limit, sizes in self.overlaps.items()
            for size in sizes
        }


def box_recall(
    boxes: Sequence[ArrayLike],
    truths: Sequence[ArrayLike],
    areas: Sequence[ArrayLike],
    limits: Sequence[int] = (100, 1000),
) -> BoxRecall:
    """Match the first boxes of each image with its objects, one to one.

    Args:
        boxes: per image (R, 4) xyxy, best first; R may be 0. Any unit, one for all of an image.
        truths: per image (N, 4), the objects that count: no crowds, nothing ignored; N may be 0.
        areas: per image (N,) square pixels, what small, medium and large go by.
        limits: how many boxes per image count, e.g. 100 and 1000.

    Returns:
        The overlap that each object ends up with, for each limit and size. Time grows linearly with
        the number of boxes.

    Raises:
        InputError: the lists differ in length, an array has another shape, or a limit is below 1.

    Source: Detectron's evaluation of box proposals. The pair with the highest IoU is matched
    first, then the best of what is left, whatever the threshold; objects of another size are left
    out before. COCOeval with useCats=0 instead goes by score, again for each threshold, and lets
    objects of another size take boxes; the two agree where no box competes for two objects.
    """
    if not len(boxes) == len(truths) == len(areas):
        raise InputError(
            "boxes, truths and areas need an entry for each image, got "
            f"{len(boxes)}, {len(truths)} and {len(areas)}"
        )
    check_limits(limits)
    found: dict[int, dict[str, list[np.ndarray]]]
    found = {limit: {size: [] for size in AREA_LIMITS} for limit in sorted(set(limits))}
    images: dict[str, list[np.ndarray]] = {size: [] for size in AREA_LIMITS}
    for i, (own, objects, own_areas) in enumerate(zip(boxes, truths, areas, strict=True)):
        overlaps, area = _overlaps(own, objects, own_areas, i)
        for size, (low, high) in AREA_LIMITS.items():
            inside = (area >= low) & (area <= high)
            images[size].append(np.full(inside.sum(), i))
            for limit in found:
                found[limit][size].append(match_greedily(overlaps[:limit, inside]))
    return BoxRecall(
        {
            limit: {size: _joined(parts, np.float64) for size, parts in sizes.items()}
            for limit, sizes in found.items()
        },
        {size: _joined(parts, np.int64) for size, parts in images.items()},
        len(boxes),
    )


def check_limits(limits: Sequence[int]) -> None:
    """Raise InputError unless there are limits, all of 1 or more."""
    if not limits or min(limits) < 1:
        raise InputError(f"limits must be positive numbers of boxes, got {tuple(limits)}")


def match_greedily(overlaps: np.ndarray) -> np.ndarray:
    """Match boxes and objects one to one, the best pair first.

    Args:
        overlaps: (R, N) IoU in [0, 1] of every box with every object; R and N may be 0.

    Returns:
        (N,) float64, the overlap of each object with its box; 0 where no box was left. Of equal
        pairs the first object's goes first, and of its boxes the first.
    """
    left = np.array(overlaps, dtype=np.float64)  # a copy: taken rows are struck out
    found = np.zeros(left.shape[1])
    if left.size == 0:
        return found
    box, best = left.argmax(0), left.max(0)  # (N,), (N,): the best box left for each object
    for _ in range(min(left.shape)):
        target = best.argmax()
        taken = box[target]
        found[target] = best[target]
        left[taken] = -1
        best[target] = -1
        # Only objects that wanted the same box have to look again.
        again = np.flatnonzero((box == taken) & (best >= 0))
        box[again] = left[:, again].argmax(0)
        best[again] = left[:, again].max(0)
    return found


def _overlaps(
    boxes: ArrayLike, objects: ArrayLike, areas: ArrayLike, image: int
) -> tuple[np.ndarray, np.ndarray]:
    """IoU (R, N) of one image in float64, and the areas (N,) of its objects."""
    own, wanted = np.asarray(boxes, np.float64), np.asarray(objects, np.float64)
    area = np.asarray(areas, np.float64)
    for name, value in (("boxes", own), ("truths", wanted)):
        if value.size and (value.ndim != 2 or value.shape[1] != 4):
            raise InputError(f"{name}[{image}] must be (N, 4), got {value.shape}")
    own, wanted = own.reshape(-1, 4), wanted.reshape(-1, 4)
    if area.shape != (len(wanted),):
        raise InputError(f"areas[{image}] must be ({len(wanted)},), got {area.shape}")
    overlaps = iou(torch.from_numpy(own), torch.from_numpy(wanted)).numpy()
    return np.nan_to_num(overlaps), area  # a box that is not finite covers nothing


def _joined(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind)
