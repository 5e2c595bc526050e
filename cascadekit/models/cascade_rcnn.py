"""START HERE. Cascade R-CNN from images to losses or detections, top to bottom.

    images -> backbone -> neck = pyramid -> rpn_head = proposals -> roi_head = stages
                                                     training: losses of rpn_head and roi_head
                                                     inference: predictions of roi_head

Faster R-CNN is one stage; Mask R-CNN is one stage with a mask head; the names are the same. Fast
R-CNN has no rpn_head: its proposals come with the pictures. Without a roi_head the proposals are
the result (MS-CNN trains so first).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.models.class_count import with_classes
from cascadekit.models.recipes import fill_in
from cascadekit.models.roi_heads.predictions import proposals_alone
from cascadekit.registry import MODELS
from cascadekit.structures.given_proposals import stored_proposals
from cascadekit.structures.samples import (
    ImageInfo,
    Prediction,
    Proposals,
    StageOutput,
    attach_predictions,
    image_infos,
    to_targets,
)

Config = dict[str, Any]


@MODELS.register_module()
class CascadeRCNN(BaseModel):
    """A two-stage detector: proposals, then one or more box stages of rising quality.

    Args:
        num_classes: K; written here once and handed to the roi head.
        backbone: config; gives maps of rising stride.
        neck: config; gives the pyramid; None: the backbone's maps are the pyramid.
        rpn_head: config; gives proposals; None: they come with the data samples.
        roi_head: config; runs the stages; None: proposals are all there is.
        data_preprocessor: config; normalises and batches.
        recipe: "paper", "mmdet" or "detectron2": what the parts do where the implementations
            differ and the config says nothing (see `models/recipes.py`).
        init_cfg: mmengine's weight initialisation, usually None.

    Raises:
        InputError: an unknown recipe, or neither rpn_head nor roi_head.

    Called as mmengine's Runner does: `forward(inputs, data_samples, mode)` with mode "loss",
    "predict" or "tensor".

    Source: the paper's Figure 3d; Figure 3a with one stage.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: Config,
        neck: Config | None = None,
        rpn_head: Config | None = None,
        roi_head: Config | None = None,
        data_preprocessor: Config | None = None,
        recipe: str = "paper",
        init_cfg: Config | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if rpn_head is None and roi_head is None:
            raise InputError("model has neither rpn_head nor roi_head: give one of them")
        self.num_classes = num_classes
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck) if neck else None
        rpn_head, roi_head = fill_in(rpn_head, recipe), fill_in(roi_head, recipe)
        self.rpn_head = _build_for(num_classes, rpn_head)
        self.roi_head = _build_for(num_classes, roi_head)

    def init_weights(self) -> None:
        """Load the backbone's ImageNet weights; all other layers drew theirs when they were made.

        mmengine's version would also log every parameter by name.
        """
        if hasattr(self.backbone, "init_weights"):
            self.backbone.init_weights()

    def forward(
        self, inputs: Tensor, data_samples: list[Any] | None = None, mode: str = "tensor"
    ) -> Any:
        """The entrance mmengine knows.

        Args:
            inputs: (B, 3, H, W) float32, normalised and padded.
            data_samples: B mm-style data samples.
            mode: "loss": a dict of losses; "predict": the data samples with `pred_instances` and
                `prediction`; "tensor": the pyramid.

        Returns:
            What the mode says.

        Raises:
            ValueError: another mode, or no data samples where they are needed.
        """
        if mode == "tensor":
            return self.extract(inputs)
        if mode not in ("loss", "predict") or data_samples is None:
            raise ValueError(f"mode {mode!r} with data_samples {type(data_samples).__name__}")
        if mode == "loss":
            return self.loss(inputs, data_samples)
        return attach_predictions(data_samples, self.predict(inputs, data_samples))

    def extract(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> pyramid, L maps (B, C, H/s, W/s)."""
        maps = self.backbone(images)
        return list(maps if self.neck is None else self.neck(maps))

    def loss(
        self, images: Tensor, samples: Sequence[Any], generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """All losses of a training step, and the IoU before and after each stage.

        Args:
            images: (B, 3, H, W) float32.
            samples: B mm-style data samples with `gt_instances`; an image may have none.
            generator: source of the samplers' randomness; None: torch's global one.

        Returns:
            Name -> () float32; the keys with "loss" in them add up to what is minimised.
        """
        infos, targets = image_infos(samples), to_targets(samples)  # mm objects end here
        pyramid = self.extract(images)
        losses: dict[str, Tensor] = {}
        if self.rpn_head is None:
            proposals = stored_proposals(samples)
        else:
            anchors = self.rpn_head(pyramid)
            losses.update(self.rpn_head.loss(anchors, infos, targets, generator))
            proposals = self.rpn_head.propose(anchors, infos)  # detached
        if self.roi_head is not None:
            stages = self.roi_head(pyramid, proposals, infos, targets, generator)
            losses.update(self.roi_head.loss(pyramid, stages, targets))
        return losses

    def predict(self, images: Tensor, samples: Sequence[Any]) -> list[Prediction]:
        """Detections of each image with the trace of every stage, in pixels of the files."""
        infos = image_infos(samples)
        pyramid = self.extract(images)
        proposals = self.propose(pyramid, samples, infos)
        if self.roi_head is None:
            return proposals_alone(proposals, infos)
        stages = self.roi_head(pyramid, proposals, infos)
        return self.roi_head.predict(pyramid, stages, infos)

    def propose(
        self, pyramid: list[Tensor], samples: Sequence[Any], infos: Sequence[ImageInfo]
    ) -> Proposals:
        """The boxes that the first stage starts from: the proposal network's, or the stored ones.

        Args:
            pyramid: of `extract`.
            samples: B mm-style data samples.
            infos: their sizes.

        Returns:
            R proposals of the batch, network pixels; R may be 0.
        """
        if self.rpn_head is None:
            return stored_proposals(samples)
        proposals: Proposals = self.rpn_head.propose(self.rpn_head(pyramid), infos)
        return proposals

    def run_stages(
        self,
        images: Tensor,
        samples: Sequence[Any],
        proposals: Proposals | None = None,
        training: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[list[Tensor], list[StageOutput]]:
        """The pyramid and what each stage recorded, for analysis.

        Args:
            images: (B, 3, H, W) float32.
            samples: B mm-style data samples.
            proposals: boxes to start from instead of the detector's own, in network pixels.
            training: match and sample as training does; the samples then need `gt_instances`.
            generator: source of the samplers' randomness.

        Returns:
            The pyramid, and S stage outputs, with matches in training.
        """
        infos, pyramid = image_infos(samples), self.extract(images)
        if proposals is None:
            proposals = self.propose(pyramid, samples, infos)
        if self.roi_head is None:
            raise InputError("this model has no roi_head, so there are no stages to run")
        targets = to_targets(samples) if training else None
        return pyramid, self.roi_head(pyramid, proposals, infos, targets, generator)


def _build_for(num_classes: int, config: Config | None) -> Any:
    """Build a head; one that classifies (has the argument) is told how many classes there are."""
    if config is None:
        return None
    kind = MODELS.get(str(config.get("type")))
    if kind is not None and "num_classes" in inspect.signature(kind).parameters:
        config = with_classes(config, num_classes)
    return MODELS.build(config)
