"""Pool a fixed grid of features for each roi from the pyramid level that fits its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit import ops
from cascadekit.registry import MODELS
from cascadekit.structures import boxes as box_ops


@MODELS.register_module()
class PyramidRoIAlign(nn.Module):
    """RoIAlign from one level per roi, chosen by the roi's size.

    Args:
        output_size: side P of the grid, or (height, width) in bins.
        strides: input pixels per cell of the levels used, finest first; further levels of the
            pyramid (P6) are not read.
        sampling_ratio: samples per bin and axis; 0: as many as cells (mmdetection).
        finest_size: rois with sqrt(area) below twice this many pixels use the first level.
        aligned: shift by half a pixel, so that pixel centres lie at +0.5. False for the weights of
            Detectron and torchvision, which were trained without.

    Source: FPN (Lin et al. 2017) equation 1: level 4 + log2(sqrt(area) / 224), i.e. 56 for the
    level of stride 4; sampling as in Detectron's cascade (2); half-pixel aligned, as in detectron2
    and mmdetection, which Detectron is not.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] = 7,
        strides: Sequence[int] = (4, 8, 16, 32),
        sampling_ratio: int = 2,
        finest_size: float = 56.0,
        aligned: bool = True,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.strides = tuple(strides)
        self.sampling_ratio = sampling_ratio
        self.finest_size = finest_size
        self.aligned = aligned

    def levels(self, boxes: Tensor) -> Tensor:
        """(R, 4) xyxy pixels -> (R,) int64, the level of each roi; R may be 0."""
        return fitting_level(boxes, len(self.strides), self.finest_size)

    def forward(self, pyramid: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Pool every roi.

        Args:
            pyramid: at least L maps (B, C, H, W), finest first.
            boxes: (R, 4) float32 xyxy input pixels; R may be 0.
            image_index: (R,) int64, 0..B-1.

        Returns:
            (R, C, P, P) or (R, C, height, width), dtype of the maps.
        """
        return ops.roi_align_levels(
            pyramid[: len(self.strides)],
            boxes,
            image_index,
            self.levels(boxes),
            self.strides,
            self.output_size,
            self.sampling_ratio,
            self.aligned,
        )


def fitting_level(boxes: Tensor, num_levels: int, finest_size: float) -> Tensor:
    """The level of a pyramid that fits each roi, FPN's equation 1.

    Args:
        boxes: (R, 4) xyxy pixels; R may be 0.
        num_levels: L, each of twice the stride of the one before.
        finest_size: rois with sqrt(area) below twice this many pixels get level 0.

    Returns:
        (R,) int64, 0..L-1.
    """
    size = box_ops.area(boxes).sqrt() / finest_size
    # The small term keeps a roi of exactly twice the size out of the lower level.
    level = (size + 1e-6).log2().floor().nan_to_num(0.0)
    return level.clamp(0, num_levels - 1).long()


def pool_size(pool: nn.Module) -> int | tuple[int, int]:
    """Side of the grid a pooling layer gives, or (height, width) where they differ."""
    size: Any = pool.output_size
    if isinstance(size, (tuple, list, torch.Size)):
        height, width = int(size[0]), int(size[1])
        return height if height == width else (height, width)
    return int(size)
