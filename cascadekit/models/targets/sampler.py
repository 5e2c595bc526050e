"""Which matched boxes a head trains on."""

from __future__ import annotations

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE
from cascadekit.registry import TASK_UTILS


def _pick(index: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """At most `count` entries of `index`, at random, without repetition, in their old order."""
    if len(index) <= count:
        return index
    device = index.device if generator is None else generator.device
    chosen = torch.randperm(len(index), generator=generator, device=device)[:count]
    return index[chosen.sort().values.to(index.device)]


@TASK_UTILS.register_module()
class RandomSampler:
    """A balanced random sample: at most a share of positives, the rest negatives.

    Args:
        num: boxes per image, at most.
        pos_fraction: largest share of positives.

    Raises:
        InputError: `num` is not positive or `pos_fraction` not in [0, 1].

    Source: Fast R-CNN (Girshick 2015) section 2.3. When there are too few negatives the sample is
    smaller, as in Detectron; the released Caffe code pads it with discarded boxes.
    With the same seed mmdetection draws the same boxes, in the same order.
    """

    def __init__(self, num: int = 512, pos_fraction: float = 0.25) -> None:
        if num <= 0 or not 0 <= pos_fraction <= 1:
            raise InputError(f"expected num > 0 and 0 <= pos_fraction <= 1: {num}, {pos_fraction}")
        self.num = num
        self.pos_fraction = pos_fraction

    def sample(self, kind: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Choose rows of one image.

        Args:
            kind: (R,) int64, an `Assignment`'s kinds; R may be 0.
            generator: source of randomness; None: torch's global one.

        Returns:
            (n,) int64 rows, positives first, ascending in both parts; n may be 0.
        """
        positives = (kind == POSITIVE).nonzero()[:, 0]
        positives = _pick(positives, int(self.num * self.pos_fraction), generator)
        negatives = (kind == NEGATIVE).nonzero()[:, 0]
        return torch.cat([positives, _pick(negatives, self.num - len(positives), generator)])


@TASK_UTILS.register_module()
class KeepAll:
    """Every box that is not ignored: what the paper's later stages train on (section 4.2)."""

    def sample(self, kind: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """All rows whose kind is positive or negative, in order; (R,) int64 -> (n,) int64."""
        return (kind != IGNORED).nonzero()[:, 0]
