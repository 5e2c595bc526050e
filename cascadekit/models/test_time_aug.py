"""Test-time augmentation: one detector looks at several views of a picture, and they are merged.

views -> detector, each on its own -> scored boxes in the first view's frame -> one suppression
      -> masks of the final boxes on every view's pyramid, their mean
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.models.roi_heads.predictions import tell
from cascadekit.registry import MODELS
from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Prediction,
    StageOutput,
    attach_predictions,
    image_infos,
)

Config = dict[str, Any]


@dataclass(frozen=True)
class _View:
    """What is kept of one view of a batch of B pictures.

    Attributes:
        images: (B, 3, H, W) float32.
        infos: B sizes in this view.
        pyramid: L maps (B, C, h, w), or None where they will be made again.
        boxes: (R, G, 4) float32 xyxy, network pixels of the FIRST view, not clipped; R may be 0.
        scores: (R, K+1) float32 probabilities.
        image_index: (R,) int64, 0..B-1.
    """

    images: Tensor
    infos: list[ImageInfo]
    pyramid: list[Tensor] | None
    boxes: Tensor
    scores: Tensor
    image_index: Tensor


@MODELS.register_module()
class TestTimeAug(BaseModel):
    """A detector that predicts from several views of each picture (`datasets.TestViews`).

    Its parts are the detector's own, under the same names, so the detector's checkpoints load as
    they are and `roi_head` is where it always was. Batches without views (training) go straight to
    the detector. Time is that of each view by itself.

    Args:
        detector: config of a `CascadeRCNN` with a roi head.
        postprocess: arguments of `Postprocess` that replace the detector's for the merged boxes,
            such as {"vote_iou": 0.9}.
        keep_pyramids: keep the feature pyramids of all views until the masks are made. Without,
            memory is that of one view, and the backbone runs twice on each where there are masks.
        init_cfg: mmengine's weight initialisation, usually None.

    Raises:
        InputError: the detector has no roi head.

    Source: Detectron's `TEST.BBOX_AUG` with heuristics UNION (the boxes of all views are chosen
    from together) and `TEST.MASK_AUG` with SOFT_AVG (mean of probabilities), as its X152 models are
    tested with, then with box voting at 0.9. There the frame is that of the file; ours is a scaling
    of it, so overlaps are the same, and the first view alone gives just what the detector gives.
    """

    def __init__(
        self,
        detector: Config,
        postprocess: Config | None = None,
        keep_pyramids: bool = True,
        init_cfg: Config | None = None,
    ) -> None:
        built = MODELS.build(_with_postprocess(detector, postprocess or {}))
        super().__init__(built.data_preprocessor, init_cfg)
        for name, part in built.named_children():
            self.add_module(name, part)
        # In a tuple, or its parameters would appear a second time, below "detector.".
        self._detector = (built,)
        self.num_classes = built.num_classes
        self.keep_pyramids = keep_pyramids

    def init_weights(self) -> None:
        """Initialise the detector."""
        self._detector[0].init_weights()

    def forward(
        self,
        inputs: Tensor | list[Tensor],
        data_samples: list[Any] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """The entrance mmengine knows.

        Args:
            inputs: in mode "predict" V views, each (B, 3, H, W) float32, normalised and padded;
                else as the detector's.
            data_samples: in mode "predict" V lists of B data samples; else as the detector's.
            mode: as the detector's.

        Returns:
            In mode "predict" the first view's B data samples with `pred_instances` and
            `prediction`; else what the detector gives.

        Raises:
            InputError: views are missing in mode "predict".
        """
        if mode != "predict":
            return self._detector[0](inputs, data_samples, mode)
        if isinstance(inputs, Tensor) or data_samples is None:
            raise InputError(
                "TestTimeAug got pictures without views: the test pipeline must end in "
                "dict(type='cascadekit.TestViews', transforms=[...])"
            )
        return attach_predictions(data_samples[0], self.predict(inputs, data_samples))

    def predict(
        self, inputs: Sequence[Tensor], data_samples: Sequence[Sequence[Any]]
    ) -> list[Prediction]:
        """Detections of each picture from all its views.

        Args:
            inputs: V views, each (B, 3, H, W) float32; V >= 1.
            data_samples: V lists of B data samples.

        Returns:
            B predictions in pixels of the files. Their stages are those of the first view, and the
            detections that came from other views have `roi_index` -1.
        """
        frame = image_infos(data_samples[0])
        view, stages = self._look(inputs[0], data_samples[0], frame)
        views = [view]
        for images, samples in zip(inputs[1:], data_samples[1:], strict=True):
            views.append(self._look(images, samples, frame)[0])
        merged = [self._merge(views, b, info) for b, info in enumerate(frame)]
        head = self.roi_head
        if head.mask_stages:
            merged = self._add_masks(views, merged)
        return tell(stages, frame, {head.test_stages: merged}, head.test_stages, False)

    def _look(
        self, images: Tensor, samples: Sequence[Any], frame: Sequence[ImageInfo]
    ) -> tuple[_View, list[StageOutput]]:
        """Run the detector on one view up to its scored boxes, moved to the first view's frame.

        Args:
            images: (B, 3, H, W) float32.
            samples: B data samples.
            frame: B sizes in the first view.

        Returns:
            The view, and its stages in its own network pixels.
        """
        infos = image_infos(samples)
        pyramid = self._detector[0].extract(images)
        proposals = self._detector[0].propose(pyramid, samples, infos)
        stages = self.roi_head(pyramid, proposals, infos)
        boxes, scores = self.roi_head.score_boxes(stages)  # (R, G, 4), (R, K+1)
        index = proposals.image_index
        moved = boxes.clone()
        for b, (info, target) in enumerate(zip(infos, frame, strict=True)):
            moved[index == b] = _move(boxes[index == b], info, target)
        kept = pyramid if self.keep_pyramids else None
        return _View(images, infos, kept, moved, scores, index), stages

    def _merge(self, views: Sequence[_View], b: int, info: ImageInfo) -> Detections:
        """Detections of picture b, in network pixels of the first view."""
        rows = [(view.image_index == b).nonzero()[:, 0] for view in views]
        boxes = torch.cat([view.boxes[own] for view, own in zip(views, rows, strict=True)])
        scores = torch.cat([view.scores[own] for view, own in zip(views, rows, strict=True)])
        found: Detections = self.roi_head.postprocess(boxes, scores, info)
        traced = found.roi_index < len(rows[0])
        return replace(found, roi_index=torch.where(traced, found.roi_index, -1))

    def _add_masks(self, views: Sequence[_View], merged: list[Detections]) -> list[Detections]:
        """Masks of the merged boxes: the mean of every view's probabilities, (D, m, m)."""
        counts = [len(found) for found in merged]
        labels = torch.cat([found.labels for found in merged])
        index = torch.cat([torch.full_like(f.labels, b) for b, f in enumerate(merged)])
        frame = views[0].infos
        each = []
        for view in views if len(labels) else views[:1]:
            moved = [
                _move(found.boxes, source, target)
                for found, source, target in zip(merged, frame, view.infos, strict=True)
            ]
            pyramid = view.pyramid
            if pyramid is None:
                pyramid = self._detector[0].extract(view.images)
            probs = self.roi_head.masks_for(pyramid, torch.cat(moved), labels, index)
            mirrored = [a.flipped != b.flipped for a, b in zip(frame, view.infos, strict=True)]
            turn = torch.tensor(mirrored, device=index.device)[index]  # (D,)
            each.append(torch.where(turn[:, None, None], probs.flip(-1), probs))
        means = torch.stack(each).mean(0).split(counts)
        return [
            replace(found, mask_probs=probs) for found, probs in zip(merged, means, strict=True)
        ]


def _with_postprocess(detector: Config, changes: Config) -> Config:
    """The detector's config with some arguments of its postprocess replaced."""
    if not detector.get("roi_head"):
        raise InputError("TestTimeAug merges what a roi_head detects, and the detector has none")
    roi_head = detector["roi_head"]
    own = roi_head.get("postprocess") or {"type": "cascadekit.Postprocess"}
    return {**detector, "roi_head": {**roi_head, "postprocess": {**own, **changes}}}


def _move(boxes: Tensor, source: ImageInfo, target: ImageInfo) -> Tensor:
    """Boxes (..., 4) from network pixels of one view of a picture to those of another."""
    same = source.size == target.size and source.flipped == target.flipped
    return boxes if same else target.to_network(source.to_original(boxes))
