"""What enters a stage, and what it hands to the next (paper sections 4.1 and 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cascadekit.errors import check_word
from cascadekit.models.targets.matching import append_ground_truth
from cascadekit.registry import TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Proposals, StageOutput, Targets

ROIS = ("refined", "shared")
GT_STAGES = ("all", "first", "none")


@TASK_UTILS.register_module()
class StageFlow:
    """The way of boxes from stage to stage.

    Args:
        rois: "refined": each stage takes the boxes that the one before made (the cascade, Figure
            3d); "shared": all stages take stage 1's (the integral loss, Figure 3c).
        gt_stages: stages of training whose rois the ground truth joins: "all", "first" or "none".
        keep_refined_gt: whether what a stage made of ground truth goes on to the next.
        drop_empty: whether boxes that became empty are dropped in training.
        clip_boxes: whether refined boxes are cut at the picture's border.

    Raises:
        InputError: another word.

    Source: both released codes: ground truth at all stages, its refined copies and empty boxes
    dropped, nothing clipped. detectron2: ground truth at the first stage, copies kept, clipped.
    mmdetection: as the default, but clipped, and empty boxes stay. We know copies by a mark, not
    by an IoU of 1 (Detectron) or 0.95 (Caffe).
    """

    def __init__(
        self,
        rois: str = "refined",
        gt_stages: str = "all",
        keep_refined_gt: bool = False,
        drop_empty: bool = True,
        clip_boxes: bool = False,
    ) -> None:
        check_word("flow.rois", rois, ROIS)
        check_word("flow.gt_stages", gt_stages, GT_STAGES)
        self.rois = rois
        self.gt_stages = gt_stages
        self.keep_refined_gt = keep_refined_gt
        self.drop_empty = drop_empty
        self.clip_boxes = clip_boxes

    def with_ground_truth(
        self, stage: int, proposals: Proposals, targets: Sequence[Targets]
    ) -> Proposals:
        """A stage's candidates in training: R boxes, or R + N where ground truth joins them."""
        joins = stage == 0 or (self.gt_stages == "all" and self.rois == "refined")
        if not joins or self.gt_stages == "none":
            return proposals
        return append_ground_truth(proposals, targets)

    def fitted(self, boxes: Tensor, image_index: Tensor, infos: Sequence[ImageInfo]) -> Tensor:
        """Boxes (R, 4) as the next stage will see them: as they are, or cut at the border."""
        if not self.clip_boxes:
            return boxes
        height, width = (
            torch.stack([boxes.new_full((), info.size[side]) for info in infos])[image_index]
            for side in (0, 1)
        )  # (R,) each
        return box_ops.clip(boxes, height, width)

    def next_proposals(self, stage: StageOutput, training: bool) -> Proposals:
        """What the next stage starts from; in inference every row stays.

        Args:
            stage: the one that was just run.
            training: whether rows may be dropped.

        Returns:
            Proposals, detached; in inference row r is the same roi.
        """
        if self.rois == "shared":
            return stage.proposals
        refined = replace(stage.proposals, boxes=stage.boxes)
        if not training:
            return refined  # scores of several stages are averaged row by row
        drop = torch.zeros_like(refined.from_gt)
        if not self.keep_refined_gt:
            # A refined copy of the truth is no sample of what this stage gives at test time.
            drop |= refined.from_gt
        if self.drop_empty:
            drop |= box_ops.is_degenerate(refined.boxes)
        return refined[~drop]
