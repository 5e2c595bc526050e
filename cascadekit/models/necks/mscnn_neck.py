"""The maps that MS-CNN reads: two of VGG, two more of larger stride, one magnified.

Paper: A Unified Multi-scale Deep Convolutional Neural Network for Fast Object Detection (Cai et al.
2016), figures 2 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from cascadekit.models.initialise import normal
from cascadekit.models.necks.magnify import magnify
from cascadekit.registry import MODELS


@MODELS.register_module()
class MSCNNNeck(nn.Module):
    """conv4_3 and conv5_3 of VGG, strides 8 and 16 -> [stride 4,] 8, 16, 32, 64, finest first.

    - stride 4 (with `upsample`): conv4_3 magnified, for the detection heads only.
    - strides 8 and 16: the backbone's maps as they are.
    - stride 32: conv6_1, a new 3x3 convolution behind pool5; without `conv6` pool5 itself.
    - stride 64: its maximum over 2x2; without `conv6` its mean over 2x2.

    All of C channels. Sizes that are not multiples are rounded up, as Caffe does.

    Args:
        channels: C of the two maps; VGG has 512.
        upsample: also give the map of stride 4. The aligned WiderFace model reads conv4_3 itself.
        conv6: the layer above. The WiderFace models have none: each of their branches has a
            convolution of its own.
    """

    def __init__(self, channels: int = 512, upsample: bool = True, conv6: bool = True) -> None:
        super().__init__()
        self.upsample = upsample
        self.conv6_1: nn.Conv2d | None = None
        if conv6:
            self.conv6_1 = nn.Conv2d(channels, channels, 3, padding=1)
            normal(self.conv6_1, std=0.01)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Add the maps that VGG lacks.

        Args:
            maps: (B, C, H, W) conv4_3 and (B, C, H', W') conv5_3, after their ReLU.

        Returns:
            Five maps, or four without `upsample`.
        """
        conv4_3, conv5_3 = maps
        pool5 = F.max_pool2d(conv5_3, 2, ceil_mode=True)
        if self.conv6_1 is None:
            deep = [pool5, F.avg_pool2d(pool5, 2, ceil_mode=True)]
        else:
            conv6_1 = self.conv6_1(pool5).relu()
            deep = [conv6_1, F.max_pool2d(conv6_1, 2, ceil_mode=True)]
        finest = [magnify(conv4_3)] if self.upsample else []
        return (*finest, conv4_3, conv5_3, *deep)
