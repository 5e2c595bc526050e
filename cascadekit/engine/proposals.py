"""Run a detector over pictures to keep its boxes: the proposals, or those after any stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.datasets.proposal_files import PictureProposals
from cascadekit.errors import InputError
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Proposals, image_infos


def boxes_after(detector: nn.Module, batch: dict[str, Any], stage: int) -> Proposals:
    """The boxes that leave a stage of the cascade, each with the stage's best class score.

    Args:
        detector: ours, in evaluation mode.
        batch: `inputs` (B, 3, H, W) float32 and `data_samples`, of the data preprocessor.
        stage: 1 or more; 0: the boxes that enter stage 1, with the scores that ranked them.

    Returns:
        R boxes of the batch in network pixels, not clipped; R may be 0.

    Raises:
        InputError: the model does not run that many stages.
    """
    inputs, samples = batch["inputs"], batch["data_samples"]
    if stage == 0:
        found: Proposals = detector.propose(detector.extract(inputs), samples, image_infos(samples))
        return found
    _, stages = detector.run_stages(inputs, samples)
    if not 0 < stage <= len(stages):
        raise InputError(
            f"stage {stage}: this model runs {len(stages)} at test time; give 0 for the boxes "
            f"that enter stage 1, or 1 to {len(stages)} (model.roi_head.test_stages says which run)"
        )
    output = stages[stage - 1]
    scores = output.logits.softmax(1)[:, :-1].amax(1)  # (R,); background is last
    index, from_gt = output.proposals.image_index, output.proposals.from_gt
    return Proposals(output.boxes, index, scores, from_gt)


@torch.no_grad()
def detector_proposals(
    detector: nn.Module, batches: Iterable[dict[str, Any]], stage: int, most: int
) -> Iterator[PictureProposals]:
    """What to store for each picture of a data loader.

    Args:
        detector: ours, in evaluation mode.
        batches: of a data loader, before the data preprocessor.
        stage: as in `boxes_after`.
        most: the best so many of each picture.

    Yields:
        PictureProposals: one for each picture, best first, cut at the picture's border; boxes of
            which nothing is left are left out.
    """
    for batch in batches:
        data = detector.data_preprocessor(batch, False)
        found = boxes_after(detector, data, stage)
        for b, info in enumerate(image_infos(data["data_samples"])):
            rows = found.image_index == b
            yield _of_picture(found.boxes[rows], found.scores[rows], info, most)


def _of_picture(boxes: Tensor, scores: Tensor, info: ImageInfo, most: int) -> PictureProposals:
    """One picture's boxes (n, 4) in network pixels and scores (n,), as they are stored."""
    height, width = info.original_size
    # In float64, so that the way to the file and back costs one rounding only.
    boxes = box_ops.clip(info.to_original(boxes.double()), height, width).float()
    solid = ~box_ops.is_degenerate(boxes)
    boxes, scores = boxes[solid], scores[solid]
    best = scores.argsort(descending=True, stable=True)[:most]
    return PictureProposals(
        info.image_id,
        info.path.replace("\\", "/").rsplit("/", 1)[-1],
        info.original_size,
        boxes[best].cpu().numpy(),
        scores[best].float().cpu().numpy(),
    )
