"""Which ground truth each box belongs to, by intersection over union (paper section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.registry import TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import Targets

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1

# Ground truths compared with all boxes at once; bounds memory on pictures with thousands of them.
CHUNK = 64


@dataclass(frozen=True)
class Assignment:
    """What each of R boxes of one image is.

    Attributes:
        kind: (R,) int64: POSITIVE, NEGATIVE or IGNORED (neither).
        gt_index: (R,) int64, the ground truth it overlaps most, or is made positive for as its best
            box; 0 where there is none.
        ious: (R,) float32, IoU with the one it overlaps most; 0 where there is none.
    """

    kind: Tensor
    gt_index: Tensor
    ious: Tensor


@TASK_UTILS.register_module()
class IoUAssigner:
    """Give each box the ground truth it overlaps most, if it overlaps enough.

    Args:
        pos_iou: a box is positive from this IoU on (the paper's u).
        neg_iou: a box is negative below this IoU; in between it is ignored.
        neg_iou_low: boxes below this IoU are ignored as well (MS-CNN's first stage).
        best_match_iou: also make the best boxes of each ground truth positive, if their IoU is
            at least this; None: don't. RPN wants 0.3 so that no object goes without an anchor.
        forced_gt: which ground truth such a box is for: "forcing", the one whose best it is (the
            last of several; mmdetection), or "own", the one it overlaps most (detectron2).
        ignore_cover: boxes that would be negative are ignored when more than this share of them
            lies in an ignore region.
        skip_ignored: also ignore boxes that overlap an ignored object by `pos_iou` or more, and
            more than any object, whatever they would be (MS-CNN).

    Raises:
        InputError: thresholds out of order, or another word.

    Source: Faster R-CNN (Ren et al. 2015) section 3.1.2; Cascade R-CNN section 3.1. Ignore regions
    as Detectron's crowd filter (0.7), except that a box that fits an object stays positive, and
    that they hold at all stages; Detectron's later stages train on them as background.
    """

    def __init__(
        self,
        pos_iou: float = 0.5,
        neg_iou: float | None = None,
        neg_iou_low: float = 0.0,
        best_match_iou: float | None = None,
        forced_gt: str = "forcing",
        ignore_cover: float = 0.7,
        skip_ignored: bool = False,
    ) -> None:
        neg_iou = pos_iou if neg_iou is None else neg_iou
        if not 0 <= neg_iou_low <= neg_iou <= pos_iou <= 1:
            raise InputError(
                "expected 0 <= neg_iou_low <= neg_iou <= pos_iou <= 1, got "
                f"{neg_iou_low}, {neg_iou}, {pos_iou}"
            )
        if forced_gt not in ("forcing", "own"):
            raise InputError(f"forced_gt must be 'forcing' or 'own', got {forced_gt!r}")
        self.pos_iou = pos_iou
        self.neg_iou = neg_iou
        self.neg_iou_low = neg_iou_low
        self.forced_gt = forced_gt
        self.best_match_iou = best_match_iou
        self.ignore_cover = ignore_cover
        self.skip_ignored = skip_ignored

    def assign(
        self, boxes: Tensor, targets: Targets, contenders: Tensor | None = None
    ) -> Assignment:
        """Match boxes of one image with its ground truth.

        Args:
            boxes: (R, 4) float32 xyxy pixels; R may be 0.
            targets: ground truth of that image; N may be 0, then all boxes are negative.
            contenders: (R,) bool, boxes that may be the best of a ground truth; None: all.

        Returns:
            An `Assignment` of R rows.
        """
        ious = boxes.new_zeros(len(boxes))
        gt_index = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
        forced = torch.full_like(gt_index, -1)
        for first in range(0, len(targets.boxes), CHUNK):
            overlaps = box_ops.iou(boxes, targets.boxes[first : first + CHUNK])  # (R, n)
            best, index = overlaps.max(1) if len(boxes) else (ious, gt_index)
            better = best > ious
            ious = torch.where(better, best, ious)
            gt_index = torch.where(better, index + first, gt_index)
            if self.best_match_iou is not None and len(boxes):
                if contenders is not None:
                    overlaps = torch.where(contenders[:, None], overlaps, -1.0)
                best_of = best_of_each(overlaps, first, self.best_match_iou)
                forced = torch.maximum(forced, best_of)
        kind = torch.full_like(gt_index, IGNORED)
        kind[(ious < self.neg_iou) & (ious >= self.neg_iou_low)] = NEGATIVE
        kind[self._mostly_inside(boxes, targets.ignored_boxes) & (kind == NEGATIVE)] = IGNORED
        kind[ious >= self.pos_iou] = POSITIVE
        if self.skip_ignored:
            near = best_iou(boxes, targets.ignored_objects())
            kind[(near >= self.pos_iou) & (near > ious)] = IGNORED
        if len(targets.boxes) == 0:
            kind[kind == POSITIVE] = NEGATIVE  # pos_iou = 0 would make nothing an object
        kind[forced >= 0] = POSITIVE
        if self.forced_gt == "forcing":
            gt_index = torch.where(forced >= 0, forced, gt_index)
        return Assignment(kind, gt_index, ious)

    def _mostly_inside(self, boxes: Tensor, regions: Tensor) -> Tensor:
        """(R,) bool: more than `ignore_cover` of the box lies in one ignore region."""
        if len(regions) == 0:
            return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
        return (box_ops.cover(boxes, regions) > self.ignore_cover).any(1)


def best_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Largest IoU of each box with any of the others.

    Args:
        boxes: (R, 4) float32 xyxy pixels; R may be 0.
        others: (M, 4) in the same frame; M may be 0.

    Returns:
        (R,) float32; 0 where M is 0.
    """
    best = boxes.new_zeros(len(boxes))
    for part in others.split(CHUNK) if len(others) else ():
        best = torch.maximum(best, box_ops.iou(boxes, part).amax(1))
    return best


def best_of_each(overlaps: Tensor, first: int, least: float) -> Tensor:
    """Boxes that no other box beats at some ground truth.

    Args:
        overlaps: (R, n) float32 IoU with n ground truths; R may not be 0.
        first: number of the first of these ground truths.
        least: IoU that a best box must have.

    Returns:
        (R,) int64: number of the ground truth whose best box this is (the last of several), or -1.
    """
    is_best = (overlaps == overlaps.max(0).values) & (overlaps >= least)  # ties all count
    number = torch.arange(first, first + overlaps.shape[1], device=overlaps.device)
    return torch.where(is_best, number, -1).max(1).values
