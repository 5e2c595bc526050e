"""Pool a box and its surroundings, side by side (MS-CNN)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.registry import MODELS


@MODELS.register_module()
class ContextPool(nn.Module):
    """Features of each roi, and of the roi enlarged, one behind the other on the channels.

    Args:
        pool: config of what pools both, from one map (`RoIPool`, or an aligned pool of one level).
        margin: what the larger box has more on each side, in sides of the roi; 0.25 makes it one
            and a half times as wide and as high.

    Raises:
        InputError: `margin` is below 0.

    Source: MS-CNN (Cai et al. 2016), section 4.2 and figure 4. Parts outside the map count as the
    inner pool has it (0); nothing is clipped.
    """

    def __init__(self, pool: dict[str, Any], margin: float = 0.25) -> None:
        super().__init__()
        if margin < 0:
            raise InputError(f"ContextPool: margin={margin} must be 0 or more")
        self.pool = MODELS.build(pool)
        self.margin = margin

    @property
    def output_size(self) -> int | tuple[int, int]:
        """Side P of the grid, or its (height, width)."""
        size: int | tuple[int, int] = self.pool.output_size
        return size

    def forward(self, maps: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Pool every roi twice.

        Args:
            maps: maps (B, C, H, W), of which the inner pool reads its own.
            boxes: (R, 4) float32 xyxy input pixels; R may be 0.
            image_index: (R,) int64, 0..B-1.

        Returns:
            (R, 2C, P, P): the roi's own features, then those of its surroundings.
        """
        margin = (boxes[:, 2:] - boxes[:, :2]) * self.margin  # (R, 2)
        larger = torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], 1)
        pooled = self.pool(maps, torch.cat([boxes, larger]), torch.cat([image_index, image_index]))
        return torch.cat(list(pooled.unflatten(0, (2, boxes.shape[0]))), 1)
