"""Our samplers where mmdetection's heads expect theirs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE
from cascadekit.registry import TASK_UTILS


@TASK_UTILS.register_module()
class MMDetSampler:
    """A sampler of ours with the call of mmdetection's samplers.

    Args:
        sampler: config of `RandomSampler` or `KeepAll`.
        add_gt_as_proposals: whether ground truth joins the boxes; not for anchors.
        context: the head, which mmdetection hands to samplers; not used.
    """

    def __init__(
        self,
        sampler: dict[str, Any],
        add_gt_as_proposals: bool = True,
        context: Any = None,
    ) -> None:
        self.sampler = TASK_UTILS.build(sampler)
        self.add_gt_as_proposals = add_gt_as_proposals

    def sample(
        self, assign_result: Any, pred_instances: Any, gt_instances: Any, feats: Any = None
    ) -> Any:
        """Choose boxes of one image.

        Args:
            assign_result: mmdetection's `AssignResult`: gt_inds (R,) int64, 0 for background, -1
                for boxes to leave out, else the row of the ground truth plus one.
            pred_instances: with `priors` (R, 4) xyxy; R may be 0.
            gt_instances: with `bboxes` (N, 4) and `labels` (N,); N may be 0.
            feats: not used.

        Returns:
            mmdetection's `SamplingResult`.
        """
        priors, gt_boxes = pred_instances.priors, gt_instances.bboxes
        if priors.ndim < 2:
            priors = priors[None]
        flags = torch.zeros(len(priors), dtype=torch.uint8, device=_device(priors))
        if self.add_gt_as_proposals and len(gt_boxes) > 0:
            plain = getattr(gt_boxes, "tensor", gt_boxes)
            priors = torch.cat([plain.to(_tensor(priors).dtype), _tensor(priors)])
            assign_result.add_gt_(gt_instances.labels)
            flags = torch.cat([flags.new_ones(len(plain)), flags])
        kind = torch.full_like(assign_result.gt_inds, IGNORED)
        kind[assign_result.gt_inds == 0] = NEGATIVE
        kind[assign_result.gt_inds > 0] = POSITIVE
        rows = self.sampler.sample(kind)
        chosen = kind[rows]
        samplers = import_module("mmdet.models.task_modules.samplers")
        return samplers.SamplingResult(
            pos_inds=rows[chosen == POSITIVE],
            neg_inds=rows[chosen == NEGATIVE],
            priors=priors,
            gt_bboxes=gt_boxes,
            assign_result=assign_result,
            gt_flags=flags,
        )


def _tensor(boxes: Any) -> Tensor:
    """The tensor in mmdetection's box classes, or the tensor itself."""
    inner: Tensor = getattr(boxes, "tensor", boxes)
    return inner


def _device(boxes: Any) -> torch.device:
    return _tensor(boxes).device
