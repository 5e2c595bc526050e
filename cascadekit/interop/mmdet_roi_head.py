"""Our roi head, with its loop over stages, in a detector of mmdetection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.models.recipes import fill_in
from cascadekit.registry import MODELS
from cascadekit.structures.given_proposals import proposals_of
from cascadekit.structures.masks import paste
from cascadekit.structures.samples import (
    Prediction,
    Proposals,
    image_infos,
    to_instances,
    to_targets,
)


@MODELS.register_module()
class MMDetRoIHead(nn.Module):
    """`CascadeRoIHead` with the calls of mmdetection's roi heads.

    Its parts keep the names they have in our detectors and in mmdetection's cascades
    (`roi_head.bbox_head.0.fc_cls`), so checkpoints of either fit.

    Args:
        num_classes: K.
        roi_head: config of a `CascadeRoIHead`, without `num_classes`.
        recipe: what it does where the config says nothing (see `models/recipes.py`).
        train_cfg: handed down by mmdetection's detectors; not used, `roi_head` has it all.
        test_cfg: likewise.
        init_cfg: likewise.

    Raises:
        InputError: an unknown recipe.
    """

    def __init__(
        self,
        num_classes: int,
        roi_head: dict[str, Any],
        recipe: str = "mmdet",
        train_cfg: Any = None,
        test_cfg: Any = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__()
        filled = fill_in({"type": "cascadekit.CascadeRoIHead", **roi_head}, recipe)
        built = MODELS.build({"num_classes": num_classes, **(filled or {})})
        for name, part in built.named_children():
            self.add_module(name, part)
        # In a tuple, or its parameters would appear a second time, below "head.".
        self._head = (built,)

    @property
    def with_bbox(self) -> bool:
        """There are box heads, always."""
        return True

    @property
    def with_mask(self) -> bool:
        """There are mask heads."""
        return bool(self._head[0].mask_stages)

    def loss(
        self, x: Sequence[Tensor], rpn_results_list: Sequence[Any], batch_data_samples: list[Any]
    ) -> dict[str, Tensor]:
        """Losses of all stages.

        Args:
            x: L maps (B, C, H, W).
            rpn_results_list: B instances with `bboxes` (n, 4) and `scores` (n,).
            batch_data_samples: B data samples with ground truth.

        Returns:
            Name -> () float32, see `CascadeRoIHead.loss`.
        """
        head, infos = self._head[0], image_infos(batch_data_samples)
        targets, proposals = to_targets(batch_data_samples), proposals_of(rpn_results_list)
        stages = head(x, proposals, infos, targets)
        losses: dict[str, Tensor] = head.loss(x, stages, targets)
        return losses

    def predict(
        self,
        x: Sequence[Tensor],
        rpn_results_list: Sequence[Any],
        batch_data_samples: list[Any],
        rescale: bool = False,
    ) -> list[Any]:
        """Detections of each image.

        Args:
            x: L maps (B, C, H, W).
            rpn_results_list: B instances with `bboxes` (n, 4) and `scores` (n,).
            batch_data_samples: B data samples.
            rescale: boxes and masks in pixels of the file; else in network pixels.

        Returns:
            B instances with `bboxes`, `scores`, `labels` and, with mask heads, `masks` (n, H, W)
            bool.
        """
        infos = image_infos(batch_data_samples)
        if not rescale:
            infos = [replace(info, original_size=info.size, flipped=False) for info in infos]
        proposals = proposals_of(rpn_results_list)
        stages = self._head[0](x, proposals, infos)
        predictions: list[Prediction] = self._head[0].predict(x, stages, infos)
        return [self._instances(prediction) for prediction in predictions]

    def forward(
        self, x: Sequence[Tensor], rpn_results_list: Sequence[Any], batch_data_samples: list[Any]
    ) -> tuple[Tensor, Tensor]:
        """What mmdetection's mode "tensor" wants: logits (R, K+1) and boxes (R, 4) at the end."""
        proposals: Proposals = proposals_of(rpn_results_list)
        stages = self._head[0](x, proposals, image_infos(batch_data_samples))
        return stages[-1].logits, stages[-1].boxes

    def _instances(self, prediction: Prediction) -> Any:
        """One image's detections as mmdetection's evaluators read them."""
        found, masks = prediction.detections, None
        if self.with_mask and found.mask_probs is not None:
            height, width = prediction.info.original_size
            pasted = paste(found.mask_probs, found.boxes, height, width).to_bitmaps()
            masks = pasted.to(found.boxes.device, torch.bool)
        return to_instances(found, masks)
