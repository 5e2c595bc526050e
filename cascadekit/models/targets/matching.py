"""Match a batch of proposals with its ground truth and keep the rows a head trains on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cascadekit.models.targets.assigner import POSITIVE, IoUAssigner
from cascadekit.models.targets.sampler import KeepAll, RandomSampler
from cascadekit.structures.samples import Matches, Proposals, Targets


def append_ground_truth(proposals: Proposals, targets: Sequence[Targets]) -> Proposals:
    """Add each image's own boxes to its proposals, marked `from_gt`.

    Args:
        proposals: R boxes of B images; R may be 0.
        targets: B images' ground truth.

    Returns:
        R + N rows, images still in order, each image's ground truth first (as in Detectron).
    """
    parts = []
    for b, target in enumerate(targets):
        count = len(target.boxes)
        index = torch.full((count,), b, device=target.boxes.device)
        ones = target.boxes.new_ones(count)
        parts.append(Proposals(target.boxes, index, ones, ones.bool()))
        parts.append(proposals[proposals.image_index == b])
    return join(parts)


def join(parts: Sequence[Proposals]) -> Proposals:
    """Put several sets of proposals one after the other; each may be empty."""
    return Proposals(
        torch.cat([part.boxes for part in parts]),
        torch.cat([part.image_index for part in parts]),
        torch.cat([part.scores for part in parts]),
        torch.cat([part.from_gt for part in parts]),
    )


def match_proposals(
    proposals: Proposals,
    targets: Sequence[Targets],
    assigner: IoUAssigner,
    sampler: RandomSampler | KeepAll,
    num_classes: int,
    generator: torch.Generator | None = None,
) -> tuple[Proposals, Matches]:
    """Label the proposals of a batch and sample those to train on.

    Args:
        proposals: R boxes of B images; R may be 0.
        targets: B images' ground truth.
        assigner: decides positive, negative, ignored.
        sampler: decides which of them stay.
        num_classes: K, the label of background.
        generator: source of the sampler's randomness.

    Returns:
        The R' proposals that stay, and what they should become, row by row.
    """
    kept: list[Proposals] = []
    matches: list[Matches] = []
    for b, target in enumerate(targets):
        own = proposals[proposals.image_index == b]
        # A copy of an object would always be its best box.
        assigned = assigner.assign(own.boxes, target, contenders=~own.from_gt)
        rows = sampler.sample(assigned.kind, generator)
        gt_index = assigned.gt_index[rows]
        if len(target.boxes):
            gt_boxes, labels = target.boxes[gt_index], target.labels[gt_index]
        else:
            gt_boxes, labels = own.boxes.new_zeros(len(rows), 4), gt_index.clone()
        labels = torch.where(assigned.kind[rows] == POSITIVE, labels, num_classes)
        kept.append(own[rows])
        matches.append(Matches(labels, gt_index, gt_boxes, assigned.ious[rows]))
    return join(kept), _join_matches(matches)


def _join_matches(parts: Sequence[Matches]) -> Matches:
    """Put the matches of several images one after the other."""

    def cat(tensors: list[Tensor]) -> Tensor:
        return torch.cat(tensors)

    return Matches(
        cat([m.labels for m in parts]),
        cat([m.gt_index for m in parts]),
        cat([m.gt_boxes for m in parts]),
        cat([m.ious for m in parts]),
    )
