"""Turn what the stage loop recorded into predictions that keep the whole story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cascadekit.models.roi_heads.ensemble import StageEnsemble, variant_stages
from cascadekit.models.roi_heads.postprocess import Postprocess
from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Prediction,
    Proposals,
    StageOutput,
    StageTrace,
)


class StoryTeller:
    """Reads a batch's stages; every variant of detections comes from this one record.

    Args:
        stages: of the stage loop in inference, so that row r is the same roi in all.
        infos: B images.
        postprocess: chooses the detections of an image.
        ensemble: averages the stages' scores.
    """

    def __init__(
        self,
        stages: Sequence[StageOutput],
        infos: Sequence[ImageInfo],
        postprocess: Postprocess,
        ensemble: StageEnsemble,
    ) -> None:
        self.stages = stages
        self.infos = infos
        self.postprocess = postprocess
        self.ensemble = ensemble
        index = stages[0].proposals.image_index
        self.rows = [(index == b).nonzero()[:, 0] for b in range(len(infos))]

    def detect(self, name: str) -> list[Detections]:
        """Detections of each image by one row of the paper's Table 2, in network pixels.

        Args:
            name: "2" or "1~3", see `variant_stages`.

        Returns:
            B detections; `roi_index` counts within the image.
        """
        boxes = self.stages[variant_stages(name)[0]].class_boxes  # (R, G, 4)
        scores = self.ensemble.scores(self.stages, name)  # (R, K+1)
        return [
            self.postprocess(boxes[rows], scores[rows], info)
            for rows, info in zip(self.rows, self.infos, strict=True)
        ]

    def tell(
        self, chosen: Mapping[str, list[Detections]], final: str, keep_variants: bool
    ) -> list[Prediction]:
        """Predictions in pixels of the files.

        Args:
            chosen: variant name -> B detections in network pixels.
            final: the variant that is the detector's answer.
            keep_variants: also keep the others.

        Returns:
            B predictions.
        """
        predictions = []
        for b, info in enumerate(self.infos):
            variants = {
                name: replace(found[b], boxes=info.to_original(found[b].boxes))
                for name, found in chosen.items()
            }
            traces = tuple(self._trace(stage, b, variants[final]) for stage in self.stages)
            kept = variants if keep_variants else {}
            predictions.append(Prediction(info, variants[final], traces, kept))
        return predictions

    def _trace(self, stage: StageOutput, b: int, final: Detections) -> StageTrace:
        """One stage of image b."""
        rows, info = self.rows[b], self.infos[b]
        scores = stage.logits[rows].float().softmax(1)
        return StageTrace(
            info.to_original(stage.proposals.boxes[rows]),
            info.to_original(stage.boxes[rows]),
            scores,
            first_detection(final.roi_index, len(rows)),
        )


def first_detection(roi_index: Tensor, num_rois: int) -> Tensor:
    """(D,) rows of the rois that became detections -> (R,) the best detection of each, or -1."""
    # One place more, for detections that none of these rois became (-1).
    became = torch.full((num_rois + 1,), -1, dtype=torch.long, device=roi_index.device)
    # Written worst first, so that a roi detected as two classes keeps the better one.
    order = torch.arange(len(roi_index) - 1, -1, -1, device=roi_index.device)
    for d in order.tolist():
        became[roi_index[d]] = d
    return became[:-1]


def proposals_alone(proposals: Proposals, infos: Sequence[ImageInfo]) -> list[Prediction]:
    """Predictions of a model without a roi head: its proposals, as detections of label 0.

    Args:
        proposals: R boxes of the batch, network pixels, best first in each image.
        infos: B images.

    Returns:
        B predictions in pixels of the files, without stages; one may hold no detections.
    """
    predictions = []
    for b, info in enumerate(infos):
        own = proposals[proposals.image_index == b]
        rows = torch.arange(len(own), device=own.boxes.device)
        boxes = info.to_original(own.boxes)
        predictions.append(
            Prediction(info, Detections(boxes, own.scores, torch.zeros_like(rows), rows), ())
        )
    return predictions
