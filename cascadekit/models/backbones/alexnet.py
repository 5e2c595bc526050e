"""AlexNet, with the parameter names and weights of torchvision.

Papers: ImageNet Classification with Deep Convolutional Neural Networks (Krizhevsky et al. 2012), in
the form that torchvision has, after One weird trick (Krizhevsky 2014). The network of the Cascade
R-CNN paper is Caffe's: 96, 256, 384, 384 and 256 channels instead of 64, 192, 384, 256 and 256,
convolutions 2, 4 and 5 in two groups, local response normalisation after the first two, BGR images
with only the mean removed. Neither its weights nor its results are those of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cascadekit.models.backbones.chain import Tap, choose_taps, freeze_stages, run_chain
from cascadekit.models.initialise import kaiming
from cascadekit.registry import MODELS


@MODELS.register_module()
class AlexNet(nn.Module):
    """Images (B, 3, H, W) -> one map each, by default that of conv5: (B, 256, ~H / 16, ~W / 16).

    Maps are taken after the ReLU of a convolution. Random weights until `init_weights` is called
    (mmengine's Runner does) or a checkpoint is loaded. Layers behind the last map returned are not
    built: neither the last pooling nor the classifier is there.

    Args:
        out_indices: maps to return, finest first: 0 to 4 or "conv1" to "conv5", of strides 4, 8,
            16, 16 and 16.
        frozen_stages: how many convolutions are not trained, from the first; -1 or 0: none.
        centred: pad the second pooling by one. Pixel k of the map then looks at input pixels around
            16 k + 7, where pooling takes it to be, and H = 16 n gives n rows; the paper's detector
            pads differently to the same end. False: torchvision's network to the number, whose map
            lies 8 pixels further down and right and lacks the last row and column.
        weights: what `init_weights` loads, "torchvision://alexnet" or a file; None: nothing.

    Attributes:
        out_channels: channels of each returned map.
        strides: input pixels per pixel of each returned map.

    Raises:
        InputError: a setting is not one of the values above.
    """

    def __init__(
        self,
        out_indices: Sequence[int | str] = (4,),
        frozen_stages: int = -1,
        centred: bool = True,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        self.weights = weights
        # Below its least side a pooling has less than a window.
        least = 15 if centred else 31
        taps = [
            Tap("conv1", 1, 64, 4, 7),
            Tap("conv2", 4, 192, 8, 15),
            Tap("conv3", 7, 384, 16, least),
            Tap("conv4", 9, 256, 16, least),
            Tap("conv5", 11, 256, 16, least),
        ]
        layers: list[nn.Module] = [
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1 if centred else 0),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
        ]
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                kaiming(layer)
        self.taps = choose_taps(out_indices, taps, taps, "AlexNet")
        self.out_channels = tuple(tap.channels for tap in self.taps)
        self.strides = tuple(tap.stride for tap in self.taps)
        self.features = nn.Sequential(*layers[: self.taps[-1].layer + 1])
        freeze_stages(self.features, frozen_stages, taps, "AlexNet")

    def init_weights(self) -> None:
        """Load `weights`, if any.

        Raises:
            InputError: the source cannot be read or does not fit.
        """
        if self.weights is not None:
            from cascadekit.checkpoints import load_backbone

            load_backbone(self, self.weights)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) float, normalised -> maps of `out_indices`; H and W at least 15 pixels."""
        return run_chain(self.features, images, self.taps, "AlexNet")
