"""R-FCN: class and box maps of the whole picture, read position by position (Dai et al. 2016).

Each stage of a cascade has its own maps on the features that all stages share (paper section 5.1),
so almost all of its cost is per picture, not per roi.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cascadekit import ops
from cascadekit.errors import InputError
from cascadekit.models.initialise import normal
from cascadekit.registry import MODELS


@MODELS.register_module()
class PSRoIPool(nn.Module):
    """Position-sensitive pooling: bin (i, j) of channel c reads map c * P * P + i * P + j.

    Args:
        output_size: side P of the grid.
        stride: input pixels per cell of the map.
        form: "pool": mean of the cells in each bin, corners rounded (R-FCN); "align": mean of
            bilinear samples.
        sampling_ratio: samples per bin and axis of "align".

    Raises:
        InputError: another form.

    Source: R-FCN (Dai et al. 2016) equation 1. The released Caffe models use "pool", not aligned.
    """

    def __init__(
        self,
        output_size: int = 7,
        stride: float = 16.0,
        form: str = "pool",
        sampling_ratio: int = 2,
    ) -> None:
        super().__init__()
        if form not in ("pool", "align"):
            raise InputError(f"PSRoIPool: form must be 'pool' or 'align', got {form!r}")
        self.output_size = output_size
        self.stride = stride
        self.form = form
        self.sampling_ratio = sampling_ratio

    def forward(self, maps: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Pool every roi from the first map.

        Args:
            maps: (B, C * P * P, H, W), what `RFCNHead.read` gives.
            boxes: (R, 4) float32 xyxy input pixels; R may be 0.
            image_index: (R,) int64, 0..B-1.

        Returns:
            (R, C, P, P).
        """
        size, scale = self.output_size, 1 / self.stride
        if self.form == "pool":
            return ops.ps_roi_pool(maps[0], boxes, image_index, size, scale)
        return ops.ps_roi_align(maps[0], boxes, image_index, size, scale, self.sampling_ratio)


@MODELS.register_module()
class RFCNHead(nn.Module):
    """Score and box maps of one stage, and the vote over a roi's grid.

    Args:
        in_channels: channels of the pyramid level that is read.
        num_classes: K; logits have one more column, background last.
        roi_size: side P of the grid of position-sensitive maps.
        level: which map of the pyramid is read; -1: the last (res5 of a dilated ResNet).
        hidden_channels: of the 1x1 convolution in front of the maps.
        class_agnostic: one regressor for all classes, or one each.

    Source: R-FCN section 2 and the released cascade: a 1x1 convolution of 1024 channels with ReLU,
    then 7 x 7 x (K+1) score maps and box maps, per stage; no online hard example mining. Its box
    maps have 8 columns (background, foreground) of which 4 are read; ours have those 4.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        roi_size: int = 7,
        level: int = -1,
        hidden_channels: int = 1024,
        class_agnostic: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_boxes = 1 if class_agnostic else num_classes  # G
        self.level = level
        cells = roi_size**2
        self.conv_new = nn.Conv2d(in_channels, hidden_channels, 1)
        self.rfcn_cls = nn.Conv2d(hidden_channels, cells * (num_classes + 1), 1)
        self.rfcn_reg = nn.Conv2d(hidden_channels, cells * 4 * self.num_boxes, 1)
        for layer in (self.conv_new, self.rfcn_cls, self.rfcn_reg):
            normal(layer, std=0.01)

    def read(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """The stage's maps, once per picture: one map (B, (K + 1 + 4G) * P * P, H, W)."""
        hidden = self.conv_new(pyramid[self.level]).relu()
        return [torch.cat([self.rfcn_cls(hidden), self.rfcn_reg(hidden)], dim=1)]

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Vote: the mean over the grid.

        Args:
            pooled: (R, K + 1 + 4G, P, P) of `PSRoIPool`; R may be 0.

        Returns:
            Logits (R, K+1) and normalised deltas (R, G, 4).
        """
        votes = pooled.mean((2, 3))  # (R, K + 1 + 4G)
        logits, deltas = votes.split([self.num_classes + 1, 4 * self.num_boxes], dim=1)
        return logits, deltas.unflatten(1, (self.num_boxes, 4))
