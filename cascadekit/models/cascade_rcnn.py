"""START HERE. Cascade R-CNN from images to losses or detections, top to bottom.

    images -> backbone -> neck = pyramid -> rpn_head = proposals -> roi_head = stages
                                                     training: losses of rpn_head and roi_head
                                                     inference: predictions of roi_head

Faster R-CNN is one stage; Mask R-CNN is one stage with a mask head; the names are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from cascadekit.registry import MODELS
from cascadekit.structures.samples import (
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
        neck: config; gives the pyramid.
        rpn_head: config; gives proposals.
        roi_head: config; runs the stages.
        data_preprocessor: config; normalises and batches.
        init_cfg: mmengine's weight initialisation, usually None.

    Called as mmengine's Runner does: `forward(inputs, data_samples, mode)` with mode "loss",
    "predict" or "tensor".

    Source: the paper's Figure 3d; Figure 3a with one stage.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: Config,
        neck: Config,
        rpn_head: Config,
        roi_head: Config,
        data_preprocessor: Config | None = None,
        init_cfg: Config | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.num_classes = num_classes
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.rpn_head = MODELS.build(rpn_head)
        self.roi_head = MODELS.build({"num_classes": num_classes, **roi_head})

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
        return list(self.neck(self.backbone(images)))

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
        anchors = self.rpn_head(pyramid)
        proposals = self.rpn_head.propose(anchors, infos)  # detached
        stages = self.roi_head(pyramid, proposals, targets, generator)
        return {
            **self.rpn_head.loss(anchors, infos, targets, generator),
            **self.roi_head.loss(pyramid, stages, targets),
        }

    def predict(self, images: Tensor, samples: Sequence[Any]) -> list[Prediction]:
        """Detections of each image with the trace of every stage, in pixels of the files."""
        infos = image_infos(samples)
        pyramid, stages = self.run_stages(images, samples)
        return self.roi_head.predict(pyramid, stages, infos)

    def run_stages(
        self, images: Tensor, samples: Sequence[Any], proposals: Proposals | None = None
    ) -> tuple[list[Tensor], list[StageOutput]]:
        """The pyramid and what each stage recorded, for inference and analysis.

        Args:
            images: (B, 3, H, W) float32.
            samples: B mm-style data samples.
            proposals: boxes to start from instead of the RPN's own, in network pixels.

        Returns:
            The pyramid, and S stage outputs without matches.
        """
        pyramid = self.extract(images)
        if proposals is None:
            proposals = self.rpn_head.propose(self.rpn_head(pyramid), image_infos(samples))
        return pyramid, self.roi_head(pyramid, proposals)
