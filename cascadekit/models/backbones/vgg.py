"""VGG, with the parameter names of torchvision.

Paper: Very Deep Convolutional Networks (Simonyan and Zisserman 2015), table 1. The weights
of torchvision were trained on RGB images of mean 0 and standard deviation 1, those that the Cascade
R-CNN paper took (Caffe) on BGR images with only the mean removed.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.models.backbones.chain import Tap, choose_taps, freeze_stages, run_chain
from cascadekit.models.initialise import kaiming
from cascadekit.registry import MODELS

# depth: 3x3 convolutions in each of the five stages; a pooling by 2 goes before all but the first.
DEPTHS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
CHANNELS = (64, 128, 256, 512, 512)


@MODELS.register_module()
class VGG(nn.Module):
    """Images (B, 3, H, W) -> one map (B, out_channels[i], H // strides[i], W // strides[i]) each.

    Maps are taken after the ReLU of a convolution, before the pooling that follows. Random weights
    until `init_weights` is called (mmengine's Runner does) or a checkpoint is loaded. Layers behind
    the last map returned are not built: neither the fifth pooling nor the classifier is there.

    Args:
        depth: 11, 13, 16 or 19.
        out_indices: maps to return, finest first: stages 0 to 4 (strides 1 to 16; the map of the
            last convolution), or names, "conv4_3" (stride 8), "conv5_3" (stride 16).
        frozen_stages: how many stages are not trained; 2 in Fast R-CNN and the paper (conv1 and
            conv2). -1 or 0: none.
        weights: what `init_weights` loads, "torchvision://vgg16" or a file; None: nothing.

    Attributes:
        out_channels: channels of each returned map.
        strides: input pixels per pixel of each returned map.

    Raises:
        InputError: a setting is not one of the values above.
    """

    def __init__(
        self,
        depth: int = 16,
        out_indices: Sequence[int | str] = (4,),
        frozen_stages: int = -1,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise InputError(f"VGG: depth={depth!r} must be one of {', '.join(map(str, DEPTHS))}.")
        self.weights = weights
        layers: list[nn.Module] = []
        taps, stages = [], []
        channels_in = 3
        for stage, (count, channels) in enumerate(zip(DEPTHS[depth], CHANNELS, strict=True)):
            if stage > 0:
                layers.append(nn.MaxPool2d(2, 2))
            for number in range(1, count + 1):
                conv = nn.Conv2d(channels_in, channels, 3, padding=1)
                kaiming(conv)
                layers += [conv, nn.ReLU(inplace=True)]
                channels_in, stride = channels, 2**stage
                name = f"conv{stage + 1}_{number}"
                taps.append(Tap(name, len(layers) - 1, channels, stride, least_side=stride))
            stages.append(taps[-1])
        self.taps = choose_taps(out_indices, taps, stages, "VGG")
        self.out_channels = tuple(tap.channels for tap in self.taps)
        self.strides = tuple(tap.stride for tap in self.taps)
        self.features = nn.Sequential(*layers[: self.taps[-1].layer + 1])
        freeze_stages(self.features, frozen_stages, stages, "VGG")

    def init_weights(self) -> None:
        """Load `weights`, if any.

        Raises:
            InputError: the source cannot be read or does not fit.
        """
        if self.weights is not None:
            from cascadekit.checkpoints import load_backbone

            load_backbone(self, self.weights)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) float, normalised -> maps of `out_indices`; H and W at least the stride."""
        return run_chain(self.features, images, self.taps, "VGG")
