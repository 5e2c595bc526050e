"""Proposals that come with the pictures, from a file or from another framework's RPN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cascadekit.errors import InputError
from cascadekit.structures.samples import Proposals


def stored_proposals(samples: Sequence[Any]) -> Proposals:
    """The proposals that came with the data samples (ours or mmdetection's); mm objects end here.

    Args:
        samples: B data samples with `proposals`: `bboxes` (n, 4) xyxy network pixels and `scores`
            (n,); n may be 0.

    Returns:
        R boxes of B images; R may be 0.

    Raises:
        InputError: a sample carries no `proposals`, as in a pipeline without `LoadProposals`.
    """
    for sample in samples:
        if "proposals" not in sample:
            raise InputError(
                f"{sample.metainfo.get('img_path') or 'a sample'} has no proposals, and the model "
                "has no rpn_head to make them: put dict(type='LoadProposals', file=...) into the "
                "pipeline before PackInputs (`cascadekit proposals` writes such a file)"
            )
    return proposals_of([sample.proposals for sample in samples])


def proposals_of(instances: Sequence[Any]) -> Proposals:
    """B instances with `bboxes` (n, 4) network pixels and `scores` (n,) as proposals of a batch."""
    boxes = [getattr(i.bboxes, "tensor", i.bboxes) for i in instances]  # mmdetection wraps boxes
    return Proposals.from_list(boxes, [i.scores for i in instances])
