"""The RoIAlign of FPN+: features at the corners of the bins, then means of four corners."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cascadekit import ops
from cascadekit.models.roi_heads.roi_pool import fitting_level
from cascadekit.registry import MODELS


@MODELS.register_module()
class CornerRoIAlign(nn.Module):
    """Each bin is the mean of the bilinear features at its four corners.

    Neighbouring bins share corners: 7 x 7 bins need 8 x 8 samples.

    Args:
        output_size: side P of the grid, or (height, width) in bins.
        strides: input pixels per cell of the levels used, finest first.
        finest_size: rois with sqrt(area) below twice this many pixels use the first level.

    Source: the released Caffe code of the paper's FPN+ (half-pixel aligned; level limits 112, 224
    and 448 pixels). There a corner more than half a cell outside the map is 0, here more than one
    cell; corners of boxes inside the picture are never that far out.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] = 7,
        strides: Sequence[int] = (4, 8, 16, 32),
        finest_size: float = 56.0,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.strides = tuple(strides)
        self.finest_size = finest_size

    def forward(self, pyramid: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Pool every roi.

        Args:
            pyramid: at least L maps (B, C, H, W), finest first.
            boxes: (R, 4) float32 xyxy input pixels; R may be 0.
            image_index: (R,) int64, 0..B-1.

        Returns:
            (R, C, P, P) or (R, C, height, width), dtype of the maps.
        """
        size = self.output_size
        height, width = (size, size) if isinstance(size, int) else size
        half_bin = (boxes[:, 2:] - boxes[:, :2]) / boxes.new_tensor([width, height]) / 2
        # The corners are the middles of one bin more each way in a box half a bin larger all round.
        corners = ops.roi_align_levels(
            pyramid[: len(self.strides)],
            torch.cat([boxes[:, :2] - half_bin, boxes[:, 2:] + half_bin], 1),
            image_index,
            fitting_level(boxes, len(self.strides), self.finest_size),
            self.strides,
            (height + 1, width + 1),
            sampling_ratio=1,
        )  # (R, C, height + 1, width + 1)
        return F.avg_pool2d(corners, 2, stride=1)
