"""Which anchors a region proposal network trains on, and what they should become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cascadekit.models.proposals.proposal_selection import Coder
from cascadekit.models.targets.assigner import POSITIVE, Assignment, IoUAssigner
from cascadekit.models.targets.centre_match import CentreMatchAssigner, MoveTo, spread
from cascadekit.models.targets.sampler import KeepAll, RandomSampler
from cascadekit.structures.samples import ImageInfo, Targets


@dataclass(frozen=True)
class AnchorSample:
    """Anchors of one image, of all levels or of one, to train on.

    Attributes:
        rows: (n,) int64, which of them; n may be 0.
        labels: (n,) float32, 1 for objects and 0 for background.
        positives: (p,) int64, the rows of the objects; p may be 0.
        deltas: (p, 4) float32, normalised deltas that turn those into their ground truth.
    """

    rows: Tensor
    labels: Tensor
    positives: Tensor
    deltas: Tensor


def inside(
    anchors: Tensor, info: ImageInfo, allowed_border: int | None, border_share: float | None
) -> Tensor:
    """Anchors that training may use.

    Args:
        anchors: (A, 4) float32 xyxy pixels; A may be 0.
        info: the picture's size.
        allowed_border: they leave the picture by less than this many pixels; -1 or None: all may.
        border_share: they leave it by at most this share of their own width or height, instead;
            None: `allowed_border` decides.

    Returns:
        (A,) bool.
    """
    height, width = info.size
    if border_share is not None:
        slack = border_share * (anchors[:, 2:] - anchors[:, :2])  # (A, 2)
        limit = slack + slack.new_tensor([width, height])
        return ((anchors[:, :2] >= -slack) & (anchors[:, 2:] < limit)).all(1)
    if allowed_border is None or allowed_border < 0:
        return torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
    low = (anchors[:, :2] >= -allowed_border).all(1)
    return (
        low & (anchors[:, 2] < width + allowed_border) & (anchors[:, 3] < height + allowed_border)
    )


def cells_inside(
    maps: Sequence[tuple[int, int]],
    strides: Sequence[int],
    num_anchors: Sequence[int],
    size: tuple[int, int],
) -> Tensor:
    """Anchors whose cell begins inside a picture, wherever they reach.

    Args:
        maps: (height, width) of each level's map, in cells.
        strides: input pixels per cell of each level.
        num_anchors: anchors per cell of each level.
        size: (height, width) of the picture, pixels.

    Returns:
        (A,) bool, on the CPU, in the order of `AnchorGenerator.grid_anchors`.
    """
    levels = []
    for (height, width), stride, count in zip(maps, strides, num_anchors, strict=True):
        rows, columns = torch.arange(height) * stride, torch.arange(width) * stride
        cells = (rows < size[0])[:, None] & (columns < size[1])  # (height, width)
        levels.append(cells.flatten().repeat_interleave(count))
    return torch.cat(levels)


def assign_anchors(
    assigner: IoUAssigner | CentreMatchAssigner,
    anchors: Tensor,
    usable: Tensor,
    targets: Targets,
    moved_to: MoveTo,
) -> Assignment:
    """What each anchor of one image is; those that may not be used are IGNORED.

    Args:
        assigner: decides positive, negative, ignored.
        anchors: (A, 4) float32 xyxy pixels; A may be 0.
        usable: (U,) int64, rows that may be trained on.
        targets: ground truth of that image; N may be 0.
        moved_to: finds the anchor of the same level and size at a point.

    Returns:
        An `Assignment` of A rows.
    """
    if isinstance(assigner, CentreMatchAssigner):
        return assigner.assign_anchors(anchors, usable, targets, moved_to)
    return spread(assigner.assign(anchors[usable], targets), usable, len(anchors))


def sample_anchors(
    anchors: Tensor,
    assigned: Assignment,
    targets: Targets,
    groups: Sequence[int],
    sampler: RandomSampler | KeepAll,
    coder: Coder,
    generator: torch.Generator | None = None,
) -> list[AnchorSample]:
    """Choose anchors of one image, from each group of them on its own.

    Args:
        anchors: (A, 4) float32 xyxy pixels.
        assigned: what each is.
        targets: ground truth of that image; N may be 0.
        groups: G sizes that add up to A: those of the levels, or [A].
        sampler: decides which anchors stay.
        coder: encodes the ground truth.
        generator: source of the sampler's randomness.

    Returns:
        G samples, whose rows count from the start of the group.
    """
    samples = []
    begin = 0
    for kind in assigned.kind.split(list(groups)):
        rows = sampler.sample(kind, generator)
        positive = kind[rows] == POSITIVE
        positives = rows[positive]
        gt_boxes = targets.boxes[assigned.gt_index[begin + positives]]
        deltas = coder.encode(anchors[begin + positives], gt_boxes)
        samples.append(AnchorSample(rows, positive.float(), positives, deltas))
        begin += len(kind)
    return samples
