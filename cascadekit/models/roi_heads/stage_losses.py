"""Losses of one stage's boxes, and how much its regressor improved them."""

from __future__ import annotations

from torch import Tensor

from cascadekit.models.losses import box_loss, classification_loss, own_class
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import StageOutput


def stage_box_losses(stage: StageOutput, coder: DeltaCoder, beta: float) -> dict[str, Tensor]:
    """Unweighted classification and box loss of one stage.

    Args:
        stage: of the loop in training, with matches; R may be 0.
        coder: the stage's delta coder.
        beta: smooth-L1 transition.

    Returns:
        `loss_cls` and, unless the head has no regressor, `loss_bbox`, () float32 (equation 3).
    """
    assert stage.matches is not None
    matches, rois = stage.matches, stage.proposals.boxes
    losses = {"loss_cls": classification_loss(stage.logits, matches.labels)}
    if stage.deltas.shape[1] == 0:
        return losses
    positive = stage.positive().nonzero()[:, 0]
    deltas = own_class(stage.deltas[positive], matches.labels[positive])  # (P, 4)
    wanted = coder.encode(rois[positive], matches.gt_boxes[positive])
    return {**losses, "loss_bbox": box_loss(deltas, wanted, len(rois), beta)}


def refinement(stage: StageOutput) -> dict[str, Tensor]:
    """Mean IoU of a stage's positives with their object before and after its regressor.

    Copies of ground truth are left out; {} when no positive remains or nothing was regressed.
    """
    assert stage.matches is not None
    real = stage.positive() & ~stage.proposals.from_gt
    if stage.deltas.shape[1] == 0 or not real.any():
        return {}
    after = box_ops.iou_aligned(stage.boxes[real], stage.matches.gt_boxes[real])
    return {"iou_before": stage.matches.ious[real].mean(), "iou_after": after.mean()}
