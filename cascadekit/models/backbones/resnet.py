"""ResNet and ResNeXt, plain or deformable, with the parameter names of torchvision and mmdetection.

Papers: Deep Residual Learning for Image Recognition (He et al. 2016), table 1; Aggregated Residual
Transformations (Xie et al. 2017), table 1; Deformable Convolutional Networks (Dai et al. 2017). We
differ where detectors do: batch norm keeps its ImageNet statistics, and early stages can be frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from cascadekit.errors import InputError, did_you_mean
from cascadekit.models.backbones.deformable import OFFSET_KEYS, VERSIONS, DeformableConv2d
from cascadekit.models.backbones.freezing import check_stages, freeze, hold
from cascadekit.registry import MODELS

# depth: is it of bottlenecks, blocks per stage.
DEPTHS = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
STYLES = ("pytorch", "caffe")
NORMS = ("BN", "GN")


def _add_norm(owner: nn.Module, norm: str, number: int, channels: int) -> None:
    """Add `bn{number}` or `gn{number}`: the type is in the name, as in published checkpoints."""
    owner.add_module(f"{norm.lower()}{number}", _make_norm(norm, channels))


def _make_norm(norm: str, channels: int) -> nn.Module:
    # 32 groups: Group Normalization (Wu and He 2018), section 4.
    return nn.BatchNorm2d(channels) if norm == "BN" else nn.GroupNorm(32, channels)


class _Block(nn.Module):
    """A residual block: (B, C_in, H, W) -> (B, C_out, H / stride, W / stride)."""

    def __init__(
        self,
        convs: Sequence[nn.Conv2d],
        norm: str,
        stride: int,
    ) -> None:
        super().__init__()
        self.norm_prefix = norm.lower()
        self.count = len(convs)
        for number, conv in enumerate(convs, start=1):
            self.add_module(f"conv{number}", conv)
            _add_norm(self, norm, number, conv.out_channels)
        channels_in, channels_out = convs[0].in_channels, convs[-1].out_channels
        self.channels = channels_out
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                _make_norm(norm, channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Residual branch plus shortcut."""
        shortcut = x if self.downsample is None else self.downsample(x)
        for number in range(1, self.count + 1):
            x = getattr(self, f"conv{number}")(x)
            x = getattr(self, f"{self.norm_prefix}{number}")(x)
            if number < self.count:
                x = self.relu(x)
        return self.relu(x + shortcut)


def _conv3x3(channels_in: int, channels_out: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, dilation, dilation, bias=False)


def _basic(channels_in: int, width: int, stride: int, dilation: int, norm: str) -> _Block:
    """Two 3x3 convolutions; ResNet-18 and 34."""
    first = _conv3x3(channels_in, width, stride, dilation)
    return _Block([first, _conv3x3(width, width, 1, dilation)], norm, stride)


@dataclass(frozen=True)
class _Middle:
    """The 3x3 convolution of a stage's bottlenecks.

    Attributes:
        groups: of its channels.
        base_width: channels of each group in a stage of 64 channels.
        dilation: distance of its taps.
        dcn: None, "v1" or "v2".
        dcn_groups: groups of channels with offsets of their own.
    """

    groups: int
    base_width: int
    dilation: int
    dcn: str | None
    dcn_groups: int

    def width(self, channels: int) -> int:
        """Its channels in a stage of `channels`, a quarter of what the stage gives."""
        return channels * self.base_width // 64 * self.groups

    def conv(self, width: int, stride: int) -> nn.Conv2d:
        """(B, width, H, W) -> (B, width, ~H / stride, ~W / stride)."""
        dilation, groups = self.dilation, self.groups
        if self.dcn is None:
            return nn.Conv2d(width, width, 3, stride, dilation, dilation, groups, bias=False)
        return DeformableConv2d(width, width, stride, dilation, groups, self.dcn_groups, self.dcn)


def _bottleneck(
    channels_in: int, channels: int, stride: int, middle: _Middle, norm: str, style: str
) -> _Block:
    """1x1, 3x3, 1x1 to four times the channels; the stride sits in the 3x3, or in the first."""
    stride_1x1, stride_3x3 = (stride, 1) if style == "caffe" else (1, stride)
    width = middle.width(channels)
    convs = [
        nn.Conv2d(channels_in, width, 1, stride_1x1, bias=False),
        middle.conv(width, stride_3x3),
        nn.Conv2d(width, channels * 4, 1, bias=False),
    ]
    return _Block(convs, norm, stride)


@MODELS.register_module()
class ResNet(nn.Module):
    """Images (B, 3, H, W) -> one map (B, out_channels[i], ~H / strides[i], ~W / strides[i]) each.

    Random weights until `init_weights` is called (mmengine's Runner does) or a checkpoint is
    loaded. Stages behind the last one in `out_indices` are not built.

    Args:
        depth: 18, 34, 50, 101 or 152.
        out_indices: stages to return, 0 to 3, ascending.
        style: "pytorch" (stride in the 3x3 convolution) or "caffe" (in the 1x1 before it, as the
            original weights); no difference for depths 18 and 34.
        stage_strides: of the four stages, after a stem of stride 4.
        dilations: of the 3x3 convolutions in the four stages; R-FCN keeps stride 16 with
            stage_strides (1, 2, 2, 1) and dilations (1, 1, 1, 2).
        groups: of the 3x3 convolutions; depths 50 and more only.
        base_width: channels of each group in the first stage. ResNeXt-101 64x4d is depth 101,
            groups 64, base_width 4; the others are 32 and 4, and 32 and 8.
        dcn: None, or the deformable convolution, "v1" or "v2", that replaces the 3x3 ones of some
            stages; depths 50 and more only.
        dcn_stages: which stages, 0 to 3. mmdetection deforms (1, 2, 3), "c3-c5"; Deformable R-FCN
            the last one, (3,).
        dcn_groups: groups of channels with offsets of their own; 4 in Deformable R-FCN's code.
        frozen_stages: -1 trains everything, 0 freezes the stem, k the stem and k stages.
        norm: "BN" or "GN" (32 groups).
        norm_eval: batch norm uses its stored statistics also in training. Batches of detectors
            are too small for their own.
        norm_frozen: scale and shift of all norms are not trained.
        weights: what `init_weights` loads, "torchvision://resnet50" or a file; None: nothing. The
            offsets of deformable convolutions may be missing there, and then start at 0.

    Attributes:
        out_channels: channels of each returned map.
        strides: input pixels per pixel of each returned map.

    Raises:
        InputError: a setting is not one of the values above.
    """

    def __init__(
        self,
        depth: int = 50,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        style: str = "pytorch",
        stage_strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        groups: int = 1,
        base_width: int = 64,
        dcn: str | None = None,
        dcn_stages: Sequence[int] = (1, 2, 3),
        dcn_groups: int = 1,
        frozen_stages: int = -1,
        norm: str = "BN",
        norm_eval: bool = True,
        norm_frozen: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        _check(depth, style, norm)
        _check_middle(depth, groups, base_width, dcn, dcn_stages, dcn_groups)
        check_stages(out_indices, frozen_stages, 4, "ResNet")
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.weights = weights

        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        _add_norm(self, norm, 1, 64)
        self.norm_name = f"{norm.lower()}1"
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)

        is_bottleneck, blocks = DEPTHS[depth]
        channels, stride = 64, 4
        out_channels, strides = [], []
        for stage in range(self.out_indices[-1] + 1):
            version = dcn if stage in dcn_stages else None
            middle = _Middle(groups, base_width, dilations[stage], version, dcn_groups)
            layer = []
            width = 64 * 2**stage
            for number in range(blocks[stage]):
                first = stage_strides[stage] if number == 0 else 1
                if is_bottleneck:
                    layer.append(_bottleneck(channels, width, first, middle, norm, style))
                else:
                    layer.append(_basic(channels, width, first, dilations[stage], norm))
                channels = layer[-1].channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layer))
            stride *= stage_strides[stage]
            out_channels.append(channels)
            strides.append(stride)
        self.out_channels = tuple(out_channels[i] for i in self.out_indices)
        self.strides = tuple(strides[i] for i in self.out_indices)
        # A frozen scale cannot grow from 0: it starts small, for training without `weights`.
        self._randomise(last_scale=0.2 if norm_frozen else 0.0)
        if norm_frozen:
            freeze(m for m in self.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm))
        freeze(self._frozen())
        self.train()

    def _randomise(self, last_scale: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, _Block):
                # Each block starts as its shortcut: activations stay bounded though the norms do
                # not look at them (Goyal et al. 2017, section 5.1).
                last = getattr(module, f"{module.norm_prefix}{module.count}")
                nn.init.constant_(last.weight, last_scale)
        for module in self.modules():
            if isinstance(module, DeformableConv2d):
                module.reset_offsets()  # a convolution inside it, randomised above

    def _frozen(self) -> list[nn.Module]:
        stages = range(1, min(self.frozen_stages, self.out_indices[-1] + 1) + 1)
        stem = [self.conv1, getattr(self, self.norm_name)] if self.frozen_stages >= 0 else []
        return stem + [getattr(self, f"layer{stage}") for stage in stages]

    def init_weights(self) -> None:
        """Load `weights`, if any.

        Raises:
            InputError: the source cannot be read or does not fit.
        """
        if self.weights is not None:
            from cascadekit.checkpoints import load_backbone

            load_backbone(self, self.weights, may_lack=(OFFSET_KEYS,))

    def train(self, mode: bool = True) -> ResNet:
        """As torch's, except that frozen stages, and with `norm_eval` all norms, stay as loaded."""
        super().train(mode)
        hold([self] if self.norm_eval else self._frozen())
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) float, normalised -> maps of `out_indices`; B, H and W at least 1."""
        x = self.maxpool(self.relu(getattr(self, self.norm_name)(self.conv1(images))))
        maps = []
        for stage in range(self.out_indices[-1] + 1):
            x = getattr(self, f"layer{stage + 1}")(x)
            if stage in self.out_indices:
                maps.append(x)
        return tuple(maps)


def _check_middle(
    depth: int,
    groups: int,
    base_width: int,
    dcn: str | None,
    dcn_stages: Sequence[int],
    dcn_groups: int,
) -> None:
    """Check the settings of the 3x3 convolutions; InputError."""
    if not DEPTHS[depth][0] and (groups != 1 or base_width != 64 or dcn is not None):
        raise InputError(
            f"ResNet: depth={depth} has no bottlenecks, so that groups, base_width and dcn must be "
            "left out; take depth 50 or more."
        )
    width = 64 * base_width // 64 * groups  # of the first stage; the others double it
    if groups < 1 or base_width < 1 or dcn_groups < 1 or width % dcn_groups:
        raise InputError(
            f"ResNet: groups={groups}, base_width={base_width} and dcn_groups={dcn_groups} must be "
            f"1 or more, and dcn_groups must divide the {width} channels of the first stage."
        )
    if dcn is not None and dcn not in VERSIONS:
        raise InputError(
            f"ResNet: dcn={dcn!r} must be None or one of {', '.join(VERSIONS)}."
            f"{did_you_mean(str(dcn), VERSIONS)}"
        )
    if any(stage not in range(4) for stage in dcn_stages):
        raise InputError(
            f"ResNet: dcn_stages={tuple(dcn_stages)} must be numbers from 0 (res2) to 3 (res5)."
        )


def _check(depth: int, style: str, norm: str) -> None:
    if depth not in DEPTHS:
        raise InputError(f"ResNet: depth={depth!r} must be one of {', '.join(map(str, DEPTHS))}.")
    for name, value, known in (("style", style, STYLES), ("norm", norm, NORMS)):
        if value not in known:
            raise InputError(
                f"ResNet: {name}={value!r} must be one of {', '.join(known)}."
                f"{did_you_mean(str(value), known)}"
            )
