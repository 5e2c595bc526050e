"""FPN+: the pyramid of the paper's own FPN detector, with a path up beside the path down.

Source: the released Caffe code of Cascade R-CNN (Cai & Vasconcelos). The paper's Tables 1 to 6 call
it FPN+ and do not describe it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.models.necks.magnify import magnify
from cascadekit.registry import MODELS


def _conv(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    """A convolution without bias called `conv`, as in `FPN`; Caffe's "msra" weights (He 2015)."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    return nn.Sequential(OrderedDict(conv=conv))


@MODELS.register_module()
class FPNPlus(nn.Module):
    """L maps (B, in_channels[i], H_i, W_i), finest first -> L maps (B, C, H_i, W_i).

    A level is its lateral map, plus all finer lateral maps handed up (each step averages 2 x 2
    pixels), plus all coarser ones handed down (each step doubles the size bilinearly). No level
    beyond the backbone's, no biases.

    Args:
        in_channels: channels of the backbone's maps, finest first.
        out_channels: C.

    Attributes:
        out_channels: C.

    Raises:
        InputError: no map comes in.

    Source: the released Caffe code. Beyond the border it reads zeros where it doubles the size,
    which dims the outermost pixels, and so do we. Its maps halve exactly, since it rounds the
    picture to multiples of 32; where ours do not, the excess row or column is cut off.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int = 256) -> None:
        super().__init__()
        if not in_channels:
            raise InputError("FPNPlus: in_channels is empty; give one number for each map")
        self.out_channels = out_channels
        self.lateral_convs = nn.ModuleList(
            _conv(channels, out_channels, 1) for channels in in_channels
        )
        self.fpn_convs = nn.ModuleList(_conv(out_channels, out_channels, 3) for _ in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Sums of the lateral maps from both sides, smoothed.

        Args:
            maps: as many as `in_channels`, finest first; each half as large as the one before,
                rounded up or down.

        Returns:
            L maps of C channels, of the sizes that came in.
        """
        laterals = [lateral(m) for lateral, m in zip(self.lateral_convs, maps, strict=True)]
        up = [laterals[0]]  # each level with all finer ones
        for lateral in laterals[1:]:
            up.append(lateral + halve(up[-1], lateral))
        sums = [up[-1]]  # coarsest first
        down = laterals[-1]  # a level with all coarser ones
        for finer, lateral in zip(reversed(up[:-1]), reversed(laterals[:-1]), strict=True):
            handed_down = magnify(down, (lateral.shape[2], lateral.shape[3]))
            sums.append(finer + handed_down)
            down = lateral + handed_down
        return tuple(conv(s) for conv, s in zip(self.fpn_convs, reversed(sums), strict=True))


def halve(fine: Tensor, like: Tensor) -> Tensor:
    """Means of 2 x 2 pixels of a (B, C, H, W) map, in the height and width of `like`.

    After an odd size the last mean is of what is there, as in Caffe.
    """
    return F.avg_pool2d(fine, 2, ceil_mode=True)[..., : like.shape[2], : like.shape[3]]
