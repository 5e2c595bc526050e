"""Feature pyramid, with the parameter names of mmdetection.

Paper: Feature Pyramid Networks for Object Detection (Lin et al. 2017), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.registry import MODELS


class _ConvNorm(nn.Module):
    """A convolution called `conv`, and a GroupNorm called `gn` if asked for: mmcv's names."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, norm: str | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel, padding=kernel // 2, bias=norm is None
        )
        self.gn = nn.GroupNorm(32, channels_out) if norm else nn.Identity()
        nn.init.xavier_uniform_(self.conv.weight)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        return self.gn(self.conv(x))


@MODELS.register_module()
class FPN(nn.Module):
    """L maps (B, in_channels[i], H_i, W_i), finest first -> num_outs maps (B, C, H_i, W_i).

    Levels beyond the backbone's are every second pixel of the last one: the "max pool of stride 2"
    with a kernel of 1 of Detectron.

    Args:
        in_channels: channels of the backbone's maps, finest first.
        out_channels: C.
        num_outs: maps to return, at least as many as come in.
        extra: how the maps beyond those are made; "maxpool" is the only way.
        norm: None, or "GN" for a group norm (32 groups) instead of the biases.

    Attributes:
        out_channels: C.

    Raises:
        InputError: `num_outs` is too small, `extra` or `norm` unknown.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        num_outs: int = 5,
        extra: str = "maxpool",
        norm: str | None = None,
    ) -> None:
        super().__init__()
        _check(in_channels, num_outs, extra, norm)
        self.out_channels = out_channels
        self.num_outs = num_outs
        self.lateral_convs = nn.ModuleList(
            _ConvNorm(channels, out_channels, 1, norm) for channels in in_channels
        )
        self.fpn_convs = nn.ModuleList(
            _ConvNorm(out_channels, out_channels, 3, norm) for _ in in_channels
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Top-down sums of the lateral maps, smoothed.

        Args:
            maps: as many as `in_channels`, finest first; sizes need not be multiples of each other.

        Returns:
            `num_outs` maps of C channels; the first L of the sizes that came in.
        """
        sums = [lateral(m) for lateral, m in zip(self.lateral_convs, maps, strict=True)]
        for level in range(len(sums) - 1, 0, -1):
            # To the exact size: a factor of 2 is one pixel too much after odd sizes.
            finer = F.interpolate(sums[level], size=sums[level - 1].shape[2:], mode="nearest")
            sums[level - 1] = sums[level - 1] + finer
        outs = [conv(total) for conv, total in zip(self.fpn_convs, sums, strict=True)]
        while len(outs) < self.num_outs:
            outs.append(F.max_pool2d(outs[-1], 1, stride=2))
        return tuple(outs)


def _check(in_channels: Sequence[int], num_outs: int, extra: str, norm: str | None) -> None:
    if num_outs < len(in_channels):
        raise InputError(
            f"FPN: num_outs={num_outs} is less than the {len(in_channels)} maps of in_channels. "
            "Set it to that or more, or take fewer maps with the backbone's out_indices."
        )
    for name, value, known in (("extra", extra, ("maxpool",)), ("norm", norm, (None, "GN"))):
        if value not in known:
            raise InputError(f"FPN: {name}={value!r} must be {' or '.join(map(repr, known))}.")
