"""Anchors: the fixed boxes that the proposal network scores and shifts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.registry import TASK_UTILS


@TASK_UTILS.register_module()
class AnchorGenerator:
    """Boxes of given sizes and shapes around each cell of each level.

    Args:
        strides: input pixels per cell of each level, also the size unit of its anchors.
        scales: anchor sides in strides; 8 at stride 4 is 32 pixels.
        ratios: height / width of the anchors, area kept.

    Raises:
        InputError: an empty list or a number that is not positive.

    Source: FPN (Lin et al. 2017) section 4.1: one size a level, ratios 1/2, 1, 2. Anchors are
    centred on the cell's corner and ordered cell by cell, ratio by ratio, as in mmdetection.
    """

    def __init__(
        self,
        strides: Sequence[int] = (4, 8, 16, 32, 64),
        scales: Sequence[float] = (8.0,),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
    ) -> None:
        for name, numbers in (("strides", strides), ("scales", scales), ("ratios", ratios)):
            if not numbers or min(numbers) <= 0:
                raise InputError(f"{name} must be positive numbers, got {list(numbers)}")
        self.strides = tuple(strides)
        self.scales = tuple(scales)
        self.ratios = tuple(ratios)

    @property
    def num_anchors(self) -> int:
        """Anchors per cell, A."""
        return len(self.scales) * len(self.ratios)

    def cell_anchors(self, stride: int) -> Tensor:
        """The (A, 4) float32 xyxy anchors of the cell at the origin, pixels."""
        scales = torch.tensor(self.scales)
        root = torch.tensor(self.ratios).sqrt()
        widths = (stride / root[:, None] * scales).flatten()  # (A,), ratio by ratio
        heights = (stride * root[:, None] * scales).flatten()
        return torch.stack([-widths, -heights, widths, heights], dim=1) / 2

    def grid_anchors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device | str = "cpu"
    ) -> list[Tensor]:
        """Anchors of all levels.

        Args:
            sizes: (height, width) of each level's map, in cells.
            device: where to make them.

        Returns:
            L tensors (H * W * A, 4) float32 xyxy input pixels, row by row, not clipped.

        Raises:
            ValueError: as many sizes as strides are needed.
        """
        if len(sizes) != len(self.strides):
            raise ValueError(f"{len(sizes)} maps but {len(self.strides)} strides")
        levels = []
        for (height, width), stride in zip(sizes, self.strides, strict=True):
            y, x = torch.meshgrid(
                torch.arange(height, device=device) * stride,
                torch.arange(width, device=device) * stride,
                indexing="ij",
            )
            shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)  # (H * W, 1, 4)
            anchors = shifts + self.cell_anchors(stride).to(device)  # (H * W, A, 4)
            levels.append(anchors.reshape(-1, 4))
        return levels
