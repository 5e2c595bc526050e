"""RoIPool: the largest feature of each bin, from one map (Faster R-CNN on VGG and AlexNet)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cascadekit import ops
from cascadekit.registry import MODELS


@MODELS.register_module()
class RoIPool(nn.Module):
    """Box corners rounded to cells of one map, the maximum of each bin.

    Args:
        output_size: side P of the grid, or (height, width) in bins.
        stride: input pixels per cell of the map.
        level: number of the map in the pyramid.

    Source: Fast R-CNN (Girshick 2015), section 2.1. The cell that the right or lower side rounds to
    belongs to the box. The released Caffe code rounds the last pixel, x2 - 1 in our coordinates.
    """

    def __init__(
        self, output_size: int | tuple[int, int] = 7, stride: int = 16, level: int = 0
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.stride = stride
        self.level = level

    def forward(self, pyramid: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Pool every roi.

        Args:
            pyramid: maps (B, C, H, W).
            boxes: (R, 4) float32 xyxy input pixels; R may be 0.
            image_index: (R,) int64, 0..B-1.

        Returns:
            (R, C, P, P) or (R, C, height, width), dtype of the map; 0 in bins outside the map.
        """
        feature = pyramid[self.level]
        return ops.roi_pool(feature, boxes, image_index, self.output_size, 1 / self.stride)
