"""The branches of MS-CNN's proposal network: one per map, one convolution per template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn

from cascadekit.errors import InputError, did_you_mean
from cascadekit.models.initialise import normal

Size = tuple[float, float]


@dataclass(frozen=True)
class BranchSettings:
    """One branch of the proposal network.

    Attributes:
        stride: input pixels per cell of its map.
        templates: (width, height) of each template, input pixels.
        kernels: (width, height) of each template's convolution, odd.
        buffer: a 3x3 convolution of its own in front of the templates' ("buffer": it keeps the
            branch's gradient from reaching the backbone undiluted).
        loss_weight: of all its losses.
    """

    stride: int
    templates: tuple[Size, ...]
    kernels: tuple[tuple[int, int], ...]
    buffer: bool = False
    loss_weight: float = 1.0


def read_branch(config: Mapping[str, Any]) -> BranchSettings:
    """Check one branch of a config.

    Args:
        config: the names of `BranchSettings`; a template or kernel may be one number, a square.

    Returns:
        The settings.

    Raises:
        InputError: an unknown or missing name, or a template or kernel that is none.
    """
    known = [field.name for field in fields(BranchSettings)]
    for name in config:
        if name not in known:
            raise InputError(
                f"rpn_head.branches: no setting {name!r}; a branch has {', '.join(known)}."
                f"{did_you_mean(str(name), known)}"
            )
    missing = [name for name in ("stride", "templates", "kernels") if name not in config]
    if missing:
        raise InputError(f"rpn_head.branches: {missing[0]!r} is missing in {dict(config)}")
    templates = tuple(_pair(template) for template in config["templates"])
    kernels = tuple(_pair(kernel) for kernel in config["kernels"])
    if len(templates) != len(kernels) or not templates:
        raise InputError(
            f"rpn_head.branches: {len(templates)} templates and {len(kernels)} kernels at stride "
            f"{config['stride']}; each template needs one kernel"
        )
    if any(side <= 0 for template in templates for side in template):
        raise InputError(f"rpn_head.branches: a template without area in {config['templates']}")
    if any(side % 2 != 1 for kernel in kernels for side in kernel):
        raise InputError(f"rpn_head.branches: kernels must be odd, got {config['kernels']}")
    return BranchSettings(**{**config, "templates": templates, "kernels": kernels})


def _pair(value: Any) -> tuple[Any, Any]:
    """A number as a square; a pair as it is."""
    return (value, value) if isinstance(value, int | float) else (value[0], value[1])


class ProposalBranch(nn.Module):
    """One map (B, C, H, W) -> for each template (B, K+1+4, H, W): class logits, then deltas.

    Args:
        settings: of the branch.
        in_channels: C.
        feat_channels: of the buffer convolution.
        num_classes: K; the logit of background is number K.

    Source: MS-CNN (Cai et al. 2016) section 3.1 and the released code: kernels of about the
    template's size in cells, small normal weights.
    """

    def __init__(
        self, settings: BranchSettings, in_channels: int, feat_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.buffer: nn.Conv2d | None = None
        if settings.buffer:
            self.buffer = nn.Conv2d(in_channels, feat_channels, 3, padding=1)
            normal(self.buffer, std=0.01)
            in_channels = feat_channels
        self.heads = nn.ModuleList()
        for width, height in settings.kernels:
            padding = (height // 2, width // 2)
            head = nn.Conv2d(in_channels, num_classes + 5, (height, width), padding=padding)
            normal(head, std=0.001)
            self.heads.append(head)

    def forward(self, features: Tensor) -> Sequence[Tensor]:
        """One output per template."""
        if self.buffer is not None:
            features = self.buffer(features).relu()
        return [head(features) for head in self.heads]
