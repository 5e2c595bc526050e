"""Which ground truth each template belongs to, by the rules of MS-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cascadekit.models.targets.assigner import (
    IGNORED,
    NEGATIVE,
    Assignment,
    IoUAssigner,
    best_iou,
)
from cascadekit.models.targets.centre_match import match_centres, spread
from cascadekit.registry import TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import Targets


@dataclass(frozen=True)
class TemplateGrid:
    """Copies of one template, one around the centre of each cell of one map.

    Attributes:
        boxes: (height * width, 4) float32 xyxy input pixels, row by row, not clipped.
        height: of the map, cells.
        width: of the map, cells.
        stride: input pixels per cell; cell i has its centre at (i + 1/2) * stride.
    """

    boxes: Tensor
    height: int
    width: int
    stride: int

    @classmethod
    def around_cells(
        cls,
        template: tuple[float, float],
        stride: int,
        height: int,
        width: int,
        device: torch.device | str = "cpu",
    ) -> TemplateGrid:
        """Lay a template of (width, height) input pixels around every cell."""
        y = (torch.arange(height, device=device) + 0.5) * stride
        x = (torch.arange(width, device=device) + 0.5) * stride
        y, x = torch.meshgrid(y, x, indexing="ij")
        half_width, half_height = template[0] / 2, template[1] / 2
        boxes = [x - half_width, y - half_height, x + half_width, y + half_height]
        return cls(torch.stack(boxes, -1).view(-1, 4), height, width, stride)

    def row_at(self, points: Tensor) -> Tensor:
        """(N, 2) points (x, y), input pixels -> (N,) int64 row of the cell each lies in."""
        column = (points[:, 0] / self.stride).floor().long().clamp(0, self.width - 1)
        line = (points[:, 1] / self.stride).floor().long().clamp(0, self.height - 1)
        return line * self.width + column


@TASK_UTILS.register_module()
class TemplateAssigner:
    """Give each template the ground truth it overlaps most, and each ground truth a template.

    Templates centred outside the picture (in the padding) or covered by ignore regions are neither
    positive nor negative, and so are those that overlap an ignored object by `neg_iou` or more and
    fit no object better. Where it is not known which ignored boxes are regions and which single
    objects (`Targets.is_region`), each counts as both, but what fits an object stays positive
    unless it is covered. Of several equal overlaps the first counts: the first ground truth for a
    template, and for a ground truth the first template in order of maps, templates, rows, columns.

    Args:
        pos_iou: a template is positive above this IoU.
        neg_iou: a template is negative below this IoU, with objects and with ignored boxes.
        best_match_iou: an object without a positive template takes the template that overlaps it
            most, if by this much, in the cell of the object's centre; unless that one is another
            object's (of several such objects the first has it).
        ignore_cover: ignore regions cover a template when their shares of it add up to this.

    Raises:
        InputError: thresholds out of order.

    Source: MS-CNN (Cai et al. 2016) section 3.2 and its released code, which calls regions "RONI".
    """

    def __init__(
        self,
        pos_iou: float = 0.5,
        neg_iou: float = 0.2,
        best_match_iou: float = 0.2,
        ignore_cover: float = 0.4,
    ) -> None:
        self.by_iou = IoUAssigner(pos_iou, neg_iou)
        self.best_match_iou = best_match_iou
        self.ignore_cover = ignore_cover

    def assign(
        self, grids: Sequence[TemplateGrid], targets: Targets, size: tuple[int, int]
    ) -> Assignment:
        """Match all templates of one image with its ground truth.

        Args:
            grids: T grids of A_1 ... A_T boxes.
            targets: ground truth of the image; N and M may be 0.
            size: (height, width) of the picture without padding, pixels.

        Returns:
            An `Assignment` of A_1 + ... + A_T rows; `ious` is 0 where a template may not be used.
        """
        boxes = torch.cat([grid.boxes for grid in grids])  # (A, 4)
        usable = self._usable(boxes, targets.ignored_regions(), size).nonzero()[:, 0]  # (U,)
        none = targets.ignored_boxes[:0]
        objects = replace(targets, ignored_boxes=none, is_region=None, masks=None)
        assigned = self.by_iou.assign(boxes[usable], objects)
        kind = assigned.kind.clone()
        kind[assigned.ious == self.by_iou.pos_iou] = IGNORED  # above, not from there on
        near = best_iou(boxes[usable], targets.ignored_objects())
        kind[(near >= self.by_iou.neg_iou) & (kind == NEGATIVE)] = IGNORED
        if targets.is_region is not None:
            kind[near > assigned.ious.clamp(min=self.by_iou.pos_iou)] = IGNORED
        assigned = spread(replace(assigned, kind=kind), usable, len(boxes))
        return match_centres(
            assigned,
            boxes,
            usable,
            targets,
            self.best_match_iou,
            lambda rows, points: rows_at(grids, rows, points),
        )

    def _usable(self, boxes: Tensor, regions: Tensor, size: tuple[int, int]) -> Tensor:
        """(A,) bool: neither in the padding nor covered."""
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        usable = (centre <= centre.new_tensor([size[1], size[0]])).all(1)
        if len(regions):
            usable &= box_ops.cover(boxes, regions).sum(1) < self.ignore_cover
        return usable


def rows_at(grids: Sequence[TemplateGrid], rows: Tensor, points: Tensor) -> Tensor:
    """The same templates elsewhere.

    Args:
        grids: T grids.
        rows: (n,) int64 rows of all grids' boxes together; n may be 0.
        points: (n, 2) x and y, input pixels.

    Returns:
        (n,) int64 rows of the boxes of the same grids whose cells the points lie in.
    """
    found, first = rows.clone(), 0
    for grid in grids:
        here = (rows >= first) & (rows < first + len(grid.boxes))
        found[here] = first + grid.row_at(points[here])
        first += len(grid.boxes)
    return found
