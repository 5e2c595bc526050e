"""Box head: from pooled features to class logits and box deltas (one stage of paper Figure 3d)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cascadekit.models.initialise import kaiming, normal, xavier
from cascadekit.registry import MODELS


class ConvNormReLU(nn.Sequential):
    """3x3 convolution, optional group norm, ReLU; parameter names as mmcv's ConvModule."""

    def __init__(
        self, in_channels: int, out_channels: int, groups: int | None, padding: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=padding, bias=groups is None)
        kaiming(self.conv)
        if groups is not None:
            self.gn = nn.GroupNorm(groups, out_channels)
        self.relu = nn.ReLU(inplace=True)


@MODELS.register_module()
class BBoxHead(nn.Module):
    """Convolutions, then fully connected layers, then one classifier and one regressor.

    Args:
        in_channels: channels C of the pooled features.
        num_classes: K; logits have one more column, background last.
        roi_size: side P of the pooled grid, or its (height, width).
        num_convs: 3x3 convolutions in front (0: the 2-fc head; 4 with `num_fcs=1`: GN head).
        conv_channels: their channels.
        conv_padding: their padding; with 0 each takes a ring off the grid (MS-CNN on KITTI).
        num_fcs: fully connected layers.
        fc_channels: their width.
        norm_groups: groups of GroupNorm in the convolutions; None: no norm.
        class_agnostic: one regressor for all classes (the paper's choice), or one each.
        regress: False: a classifier alone (integral loss), G is 0.
        dropout: share of the units of each fully connected layer dropped in training (MS-CNN).

    Source: FPN's 2-fc head; the 4conv1fc head of Group Normalization (Wu & He 2018), as used for
    the paper's Table 7. Parameter names follow mmdetection's ConvFCBBoxHead.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        roi_size: int | tuple[int, int] = 7,
        num_convs: int = 0,
        conv_channels: int = 256,
        conv_padding: int = 1,
        num_fcs: int = 2,
        fc_channels: int = 1024,
        norm_groups: int | None = None,
        class_agnostic: bool = True,
        regress: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_boxes = (1 if class_agnostic else num_classes) if regress else 0  # G
        self.dropout = dropout
        self.shared_convs = nn.ModuleList()
        for _ in range(num_convs):
            conv = ConvNormReLU(in_channels, conv_channels, norm_groups, conv_padding)
            self.shared_convs.append(conv)
            in_channels = conv_channels
        height, width = (roi_size, roi_size) if isinstance(roi_size, int) else roi_size
        lost = num_convs * 2 * (1 - conv_padding)  # rows and columns the convolutions take
        features = in_channels * (height - lost) * (width - lost)
        self.shared_fcs = nn.ModuleList()
        for _ in range(num_fcs):
            layer = nn.Linear(features, fc_channels)
            xavier(layer)
            self.shared_fcs.append(layer)
            features = fc_channels
        self.fc_cls = nn.Linear(features, num_classes + 1)
        if regress:
            self.fc_reg = nn.Linear(features, 4 * self.num_boxes)
        normal(self.fc_cls, std=0.01)
        if regress:
            normal(self.fc_reg, std=0.001)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Classify and regress every roi.

        Args:
            pooled: (R, C, P, P); R may be 0.

        Returns:
            Logits (R, K+1) and normalised deltas (R, G, 4); G is 1, K when class-specific, or 0.
        """
        for conv in self.shared_convs:
            pooled = conv(pooled)
        hidden = pooled.flatten(1)  # (R, C * P * P)
        for layer in self.shared_fcs:
            hidden = F.dropout(layer(hidden).relu(), self.dropout, self.training)
        logits = self.fc_cls(hidden)
        if self.num_boxes == 0:
            return logits, hidden.new_zeros(hidden.shape[0], 0, 4)
        return logits, self.fc_reg(hidden).unflatten(1, (self.num_boxes, 4))
