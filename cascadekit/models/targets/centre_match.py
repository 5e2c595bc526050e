"""Anchors for objects that no anchor fits: the one at the object's centre (released Caffe code)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from cascadekit.models.targets.assigner import CHUNK, IGNORED, POSITIVE, Assignment, IoUAssigner
from cascadekit.registry import TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import Targets

# (n,) rows of anchors and (n, 2) points (x, y) -> (n,) rows of the anchors of the same levels and
# sizes in the cells where the points lie; `AnchorGenerator.moved_to` for maps of known sizes.
MoveTo = Callable[[Tensor, Tensor], Tensor]


@TASK_UTILS.register_module()
class CentreMatchAssigner:
    """`IoUAssigner` for anchors, with an anchor for objects that none fits.

    Args:
        pos_iou: an anchor is positive from this IoU on.
        neg_iou: an anchor is negative below this IoU; in between it is ignored.
        centre_iou: an object without a positive anchor gets the one at its centre if its best
            anchor has at least this IoU.
        ignore_cover: as in `IoUAssigner`.

    Raises:
        InputError: thresholds out of order.

    Source: the released Caffe code's data layer, which asks for more than `pos_iou` instead of at
    least, and adds up an anchor's shares in all ignore regions before it compares them (with 0.4);
    we take the largest share, with 0.7 as everywhere else.
    """

    def __init__(
        self,
        pos_iou: float = 0.7,
        neg_iou: float = 0.3,
        centre_iou: float = 0.2,
        ignore_cover: float = 0.7,
    ) -> None:
        self.by_iou = IoUAssigner(pos_iou, neg_iou, ignore_cover=ignore_cover)
        self.centre_iou = centre_iou

    def assign_anchors(
        self, anchors: Tensor, usable: Tensor, targets: Targets, moved_to: MoveTo
    ) -> Assignment:
        """Match anchors of one image with its ground truth.

        Args:
            anchors: (A, 4) float32 xyxy pixels; A may be 0.
            usable: (U,) int64, rows that may be trained on; U may be 0.
            targets: ground truth of that image; N may be 0.
            moved_to: finds the anchor of the same level and size at a point.

        Returns:
            An `Assignment` of A rows.
        """
        assigned = spread(self.by_iou.assign(anchors[usable], targets), usable, len(anchors))
        return match_centres(assigned, anchors, usable, targets, self.centre_iou, moved_to)


def match_centres(
    assigned: Assignment,
    anchors: Tensor,
    usable: Tensor,
    targets: Targets,
    least_iou: float,
    moved_to: MoveTo,
) -> Assignment:
    """Give each ground truth without a positive anchor the anchor at its centre.

    Its level and size are those of the usable anchor that overlaps the ground truth most.

    Args:
        assigned: of all A anchors of one image, positive by IoU only.
        anchors: (A, 4) float32 xyxy pixels; A may be 0.
        usable: (U,) int64, rows that may be trained on. The anchor at the centre need not be one
            of them: an object at the border would go without.
        targets: ground truth of that image; N may be 0.
        least_iou: a ground truth stays without anchor if none overlaps it this much.
        moved_to: finds the anchor of the same level and size at a point.

    Returns:
        `assigned` with more positives: the first ground truth that wants an anchor gets it, none
        gets an anchor that is positive already. `ious` is as it was.

    Source: the released Caffe code's data layer, with 0.2 (and likewise that of MS-CNN).
    """
    count = len(targets.boxes)
    matched = torch.zeros(count, dtype=torch.bool, device=anchors.device)
    matched[assigned.gt_index[assigned.kind == POSITIVE]] = True
    lonely = (~matched).nonzero()[:, 0]  # (n,)
    if len(lonely) == 0 or len(usable) == 0:
        return assigned
    best_iou, best = _best_boxes(anchors[usable], targets.boxes[lonely])
    near = best_iou >= least_iou
    lonely, best = lonely[near], usable[best[near]]
    boxes = targets.boxes[lonely]
    wanted = moved_to(best, (boxes[:, :2] + boxes[:, 2:]) / 2)  # (n,)
    # Of those that want an anchor the smallest number; `count` where nobody does.
    first = torch.full_like(assigned.gt_index, count).scatter_reduce(0, wanted, lonely, "amin")
    given = (first < count) & (assigned.kind != POSITIVE)
    return replace(
        assigned,
        kind=torch.where(given, POSITIVE, assigned.kind),
        gt_index=torch.where(given, first, assigned.gt_index),
    )


def _best_boxes(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Largest IoU of each of n others with R boxes, and that box's row; R and n are not 0."""
    parts = [box_ops.iou(boxes, part).max(0) for part in others.split(CHUNK)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def spread(assigned: Assignment, rows: Tensor, count: int) -> Assignment:
    """An assignment of some rows of `count` as one of all; the others are IGNORED.

    Args:
        assigned: of U boxes.
        rows: (U,) int64, where they are among all; U may be 0.
        count: of all boxes.

    Returns:
        An `Assignment` of `count` rows.
    """
    kind = assigned.kind.new_full((count,), IGNORED)
    gt_index = assigned.gt_index.new_zeros(count)
    ious = assigned.ious.new_zeros(count)
    kind[rows], gt_index[rows], ious[rows] = assigned.kind, assigned.gt_index, assigned.ious
    return Assignment(kind, gt_index, ious)
