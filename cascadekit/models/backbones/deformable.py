"""Deformable convolution in place of a 3x3 convolution, with mmcv's parameter names.

Papers: Deformable Convolutional Networks (Dai et al. 2017), Deformable ConvNets v2 (Zhu et al.
2019).
"""

from __future__ import annotations

from torch import Tensor, nn

from cascadekit import ops

VERSIONS = ("v1", "v2")
# Keys of the layer that moves the taps: weights trained without deformable layers lack them.
OFFSET_KEYS = ".conv_offset."


class DeformableConv2d(nn.Conv2d):
    """A 3x3 convolution whose taps a second one moves: (B, C_in, H, W) -> (B, C_out, ...), no bias.

    The output is of the size of the plain convolution's with padding `dilation`. The second
    convolution starts at zero: until trained, v1 is the plain convolution and v2 half of it, since
    its masks are sigmoid(0).

    Args:
        channels_in: C_in.
        channels_out: C_out.
        stride: of the output.
        dilation: distance of the taps before they move.
        groups: of the channels, as in ResNeXt.
        deform_groups: how many groups of input channels have offsets of their own.
        version: "v1" moves the taps, "v2" also weighs each.

    `weight`, `conv_offset.weight` and `conv_offset.bias` are as in mmcv's `DCN` and `DCNv2` layers:
    offsets (dy, dx) of tap after tap, then in v2 the logits of the masks.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        deform_groups: int = 1,
        version: str = "v1",
    ) -> None:
        super().__init__(
            channels_in, channels_out, 3, stride, dilation, dilation, groups, bias=False
        )
        self.deform_groups = deform_groups
        self.is_masked = version == "v2"
        self.taps = 9 * deform_groups
        numbers = self.taps * (3 if self.is_masked else 2)
        self.conv_offset = nn.Conv2d(channels_in, numbers, 3, stride, dilation, dilation)
        self.reset_offsets()

    def reset_offsets(self) -> None:
        """Where the taps of the plain convolution are; half of its weights in v2."""
        nn.init.zeros_(self.conv_offset.weight)
        if self.conv_offset.bias is not None:
            nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Move the taps, weigh them in v2, convolve."""
        predicted = self.conv_offset(x)  # (B, 2 or 3 times taps, H_out, W_out)
        offset = predicted[:, : 2 * self.taps]
        mask = predicted[:, 2 * self.taps :].sigmoid() if self.is_masked else None
        return ops.deform_conv2d(
            x,
            offset,
            self.weight,
            None,
            (self.stride[0], self.stride[1]),
            (self.dilation[0], self.dilation[1]),  # the padding: the size stays at stride 1
            (self.dilation[0], self.dilation[1]),
            self.groups,
            self.deform_groups,
            mask,
        )
