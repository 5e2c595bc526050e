"""Turn what the stage loop recorded into predictions that keep the whole story."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def rows_of(stages: Sequence[StageOutput], num_images: int) -> list[Tensor]:
    """Rows (R_b,) int64 of each image's rois; the same in all stages of inference."""
    index = stages[0].proposals.image_index
    return [(index == b).nonzero()[:, 0] for b in range(num_images)]


def detect(
    name: str,
    stages: Sequence[StageOutput],
    infos: Sequence[ImageInfo],
    postprocess: Postprocess,
    ensemble: StageEnsemble,
) -> list[Detections]:
    """Detections of each image by one row of the paper's Table 2, in network pixels.

    Args:
        name: "2" or "1~3", see `variant_stages`.
        stages: of the stage loop in inference, so that row r is the same roi in all.
        infos: B images.
        postprocess: chooses the detections of an image.
        ensemble: averages the stages' scores.

    Returns:
        B detections; `roi_index` counts within the image.
    """
    boxes = stages[variant_stages(name)[0]].class_boxes  # (R, G, 4)
    scores = ensemble.scores(stages, name)  # (R, K+1)
    return [
        postprocess(boxes[rows], scores[rows], info)
        for rows, info in zip(rows_of(stages, len(infos)), infos, strict=True)
    ]


def tell(
    stages: Sequence[StageOutput],
    infos: Sequence[ImageInfo],
    chosen: Mapping[str, list[Detections]],
    final: str,
    keep_variants: bool,
) -> list[Prediction]:
    """Predictions with their whole story, in pixels of the files.

    Args:
        stages: of the stage loop in inference.
        infos: B images.
        chosen: variant name -> B detections in network pixels.
        final: the variant that is the detector's answer.
        keep_variants: also keep the others.

    Returns:
        B predictions.
    """
    predictions = []
    for b, (rows, info) in enumerate(zip(rows_of(stages, len(infos)), infos, strict=True)):
        variants = {
            name: replace(found[b], boxes=info.to_original(found[b].boxes))
            for name, found in chosen.items()
        }
        traces = tuple(_trace(stage, rows, info, variants[final]) for stage in stages)
        kept = variants if keep_variants else {}
        predictions.append(Prediction(info, variants[final], traces, kept))
    return predictions


def add_masks(
    chosen: Mapping[str, list[Detections]],
    masks_for: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> dict[str, list[Detections]]:
    """Masks on the final boxes, in one pass for all images and variants.

    Args:
        chosen: variant name -> B detections in network pixels.
        masks_for: boxes (D, 4), labels (D,), image_index (D,) -> probabilities (D, m, m).

    Returns:
        The same with `mask_probs`.
    """
    flat = [(b, found) for per_image in chosen.values() for b, found in enumerate(per_image)]
    boxes = torch.cat([found.boxes for _, found in flat])
    labels = torch.cat([found.labels for _, found in flat])
    index = torch.cat([torch.full_like(found.labels, b) for b, found in flat])
    masks = iter(masks_for(boxes, labels, index).split([len(f) for _, f in flat]))
    return {
        name: [replace(found, mask_probs=next(masks)) for found in per_image]
        for name, per_image in chosen.items()
    }


def _trace(stage: StageOutput, rows: Tensor, info: ImageInfo, final: Detections) -> StageTrace:
    """One stage of one image, whose rois are `rows`."""
    return StageTrace(
        info.to_original(stage.proposals.boxes[rows]),
        info.to_original(stage.boxes[rows]),
        stage.logits[rows].float().softmax(1),
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
