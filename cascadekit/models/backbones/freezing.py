"""What keeps part of a backbone as it was loaded, whatever mode the detector is in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cascadekit.errors import InputError


def freeze(modules: Iterable[nn.Module]) -> None:
    """No gradient for the parameters of `modules`."""
    for module in modules:
        module.requires_grad_(False)


def hold(modules: Iterable[nn.Module]) -> None:
    """Keep the statistics of all batch norms in `modules`: call it at the end of `train()`."""
    for module in modules:
        for norm in module.modules():
            if isinstance(norm, _BatchNorm):
                norm.eval()


def check_stages(out_indices: Sequence[int], frozen_stages: int, count: int, owner: str) -> None:
    """Check that both settings name existing stages.

    Args:
        out_indices: stages to return, ascending, each 0..count-1.
        frozen_stages: -1 for none, 0 for the stem, k for the stem and the first k stages.
        count: stages there are.
        owner: the backbone's class name, for the message.

    Raises:
        InputError: one of them does not.
    """
    ascending = list(out_indices) == sorted(set(out_indices))
    if not out_indices or not ascending or out_indices[0] < 0 or out_indices[-1] >= count:
        raise InputError(
            f"{owner}: out_indices={tuple(out_indices)} must be ascending numbers from 0 to "
            f"{count - 1}, at least one."
        )
    if not -1 <= frozen_stages <= count:
        raise InputError(
            f"{owner}: frozen_stages={frozen_stages} must be -1 (none), 0 (the stem) or up to "
            f"{count} (the stem and that many stages)."
        )
