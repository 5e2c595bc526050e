"""Proposals without a detector as a recording, for the proposal-quality report."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.quality.collect import truth_of
from cascadekit.quality.proposal_sets import ImageProposals, ProposalSet
from cascadekit.quality.records import ImageRecord, Recording, StageBoxes, Truth
from cascadekit.structures.samples import Detections, ImageInfo, image_infos


def proposals_alone(
    proposals: Sequence[ImageProposals],
    truths: Sequence[Truth],
    infos: Sequence[ImageInfo],
    classes: Sequence[str] = (),
    name: str = "proposals",
) -> Recording:
    """A recording of one stage that has no head: nothing refines its boxes, nothing is detected.

    Args:
        proposals: of I images, pixels of the file; I may be 0.
        truths: their ground truth.
        infos: their sizes.
        classes: K names.
        name: where the boxes come from, for captions.

    Returns:
        What `compute_proposal_quality` takes: later stages are extrapolated all the way.

    Raises:
        InputError: the lists differ in length.
    """
    if not len(proposals) == len(truths) == len(infos):
        raise InputError(
            f"proposals, truths and infos must be of the same images, got {len(proposals)}, "
            f"{len(truths)} and {len(infos)}"
        )
    images = tuple(
        ImageRecord(info, truth, (_stage(own),), {"1": _nothing()})
        for own, truth, info in zip(proposals, truths, infos, strict=True)
    )
    return Recording(tuple(classes), (), images, "1", _detect_nothing, name)


def record_proposals(loader: Any, proposals: ProposalSet, *, limit: int | None = None) -> Recording:
    """Proposals and the ground truth of a data set's images.

    Args:
        loader: data loader of a test pipeline, as `open_loader` gives it.
        proposals: of its images; one that the set does not have has none.
        limit: the first so many batches' worth of images; None: all.

    Returns:
        As `proposals_alone`.

    Raises:
        InputError: a sample carries no `instances`.
    """
    infos: list[ImageInfo] = []
    truths: list[Truth] = []
    count = None if limit is None else -(-limit // (getattr(loader, "batch_size", 1) or 1))
    for batch in itertools.islice(loader, count):
        own = image_infos(batch["data_samples"])
        infos += own
        truths += [truth_of(s, i) for s, i in zip(batch["data_samples"], own, strict=True)]
    infos, truths = infos[:limit], truths[:limit]
    classes = getattr(getattr(loader, "dataset", None), "metainfo", {}).get("classes") or ()
    found = [proposals.of(info.image_id) for info in infos]
    return proposals_alone(found, truths, infos, classes, proposals.name)


def _stage(own: ImageProposals) -> StageBoxes:
    # Copies of the truth join by themselves in training: they are no proposals.
    boxes, scores = own.boxes[~own.from_gt], own.scores[~own.from_gt]
    return StageBoxes(0, boxes, scores, {}, {}, boxes)


def _nothing() -> Detections:
    none = torch.zeros(0)
    return Detections(none.reshape(0, 4), none, none.long(), none.long())


def _detect_nothing(boxes: Tensor, scores: Tensor, info: ImageInfo) -> Detections:
    return _nothing()
