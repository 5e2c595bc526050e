"""Anchors: the fixed boxes that the proposal network scores and shifts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.registry import TASK_UTILS

Size = tuple[float, float]
CAFFE_SHAPES = ((1.375, 0.6875), (0.6875, 1.375), (1.0, 1.0))


@TASK_UTILS.register_module()
class AnchorGenerator:
    """Boxes of given sizes and shapes around each cell of each level.

    Args:
        strides: input pixels per cell of each level, also the size unit of its anchors.
        scales: anchor sides in strides; 8 at stride 4 is 32 pixels.
        ratios: height / width of the anchors, area kept.
        sizes: the anchors of each level written out, [(width, height), ...] in input pixels, one
            list for each stride, of any length; `scales` and `ratios` are not used then.
        sides: shorter than `sizes`: the sides s of each level's anchors, one list for each stride;
            each gives an anchor (s * width, s * height) for each of `shapes`.
        shapes: (width, height) for s = 1; by default the released Caffe models'.
        center_offset: where in its cell an anchor is centred: 0 is the upper left corner, 0.5 the
            middle.
        whole_pixels: round half of each side to pixels, as torchvision's detectors do.

    Raises:
        InputError: an empty list or a number that is not positive; not one list of sizes a level.

    Source: FPN (Lin et al. 2017) section 4.1: one size a level, ratios 1/2, 1, 2. Anchors are
    ordered cell by cell, ratio by ratio, as in mmdetection, and by default centred on the cell's
    corner as there. The released Caffe models have (1.375 s, 0.6875 s), (0.6875 s, 1.375 s) and
    (s, s) for each octave s, and centre them in the middle of the cell.
    """

    def __init__(
        self,
        strides: Sequence[int] = (4, 8, 16, 32, 64),
        scales: Sequence[float] = (8.0,),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        sizes: Sequence[Sequence[Size]] | None = None,
        sides: Sequence[Sequence[float]] | None = None,
        shapes: Sequence[Size] = CAFFE_SHAPES,
        center_offset: float = 0.0,
        whole_pixels: bool = False,
    ) -> None:
        for name, numbers in (("strides", strides), ("scales", scales), ("ratios", ratios)):
            if not numbers or min(numbers) <= 0:
                raise InputError(f"{name} must be positive numbers, got {list(numbers)}")
        if sides is not None:
            if sizes is not None:
                raise InputError("anchors have both sizes and sides: give one of them")
            sizes = [[(s * w, s * h) for s in level for w, h in shapes] for level in sides]
        _check_sizes(sizes, len(strides))
        self.strides = tuple(strides)
        self.scales = tuple(scales)
        self.ratios = tuple(ratios)
        self.sizes = sizes
        self.center_offset = center_offset
        self.whole_pixels = whole_pixels

    @property
    def num_anchors(self) -> tuple[int, ...]:
        """Anchors per cell of each level, (A_1, ..., A_L)."""
        if self.sizes is None:
            return (len(self.scales) * len(self.ratios),) * len(self.strides)
        return tuple(len(level) for level in self.sizes)

    def cell_anchors(self, level: int) -> Tensor:
        """The (A_l, 4) float32 xyxy anchors of the cell at the origin, pixels."""
        stride = self.strides[level]
        if self.sizes is None:
            scales = torch.tensor(self.scales)
            root = torch.tensor(self.ratios).sqrt()
            widths = (stride / root[:, None] * scales).flatten()  # (A_l,), ratio by ratio
            heights = (stride * root[:, None] * scales).flatten()
        else:
            widths, heights = torch.tensor(self.sizes[level], dtype=torch.float32).unbind(1)
        centred = torch.stack([-widths, -heights, widths, heights], dim=1) / 2
        if self.whole_pixels:
            centred = centred.round()
        return centred + stride * self.center_offset

    def grid_anchors(
        self, maps: Sequence[tuple[int, int]], device: torch.device | str = "cpu"
    ) -> list[Tensor]:
        """Anchors of all levels.

        Args:
            maps: (height, width) of each level's map, in cells.
            device: where to make them.

        Returns:
            L tensors (H * W * A_l, 4) float32 xyxy input pixels, row by row, not clipped.

        Raises:
            ValueError: as many maps as strides are needed.
        """
        self._check_maps(maps)
        levels = []
        for number, ((height, width), stride) in enumerate(zip(maps, self.strides, strict=True)):
            y, x = torch.meshgrid(
                torch.arange(height, device=device) * stride,
                torch.arange(width, device=device) * stride,
                indexing="ij",
            )
            shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)  # (H * W, 1, 4)
            anchors = shifts + self.cell_anchors(number).to(device)  # (H * W, A_l, 4)
            levels.append(anchors.reshape(-1, 4))
        return levels

    def moved_to(self, index: Tensor, centres: Tensor, maps: Sequence[tuple[int, int]]) -> Tensor:
        """For each anchor, that of its level and size in the cell where a point lies.

        Args:
            index: (n,) int64, rows of all levels' anchors one after the other; n may be 0.
            centres: (n, 2) float32 (x, y) input pixels; points outside go to the nearest cell.
            maps: (height, width) of each level's map, in cells.

        Returns:
            (n,) int64 rows.

        Raises:
            ValueError: as many maps as strides are needed.
        """
        self._check_maps(maps)
        # One row a level: where it begins, its height and width in cells, anchors, and stride.
        table, begin = [], 0
        for (height, width), count, stride in zip(
            maps, self.num_anchors, self.strides, strict=True
        ):
            table.append((begin, height, width, count, stride))
            begin += height * width * count
        columns = torch.tensor(table, device=index.device).T.contiguous()  # (5, L)
        level = torch.searchsorted(columns[0], index, right=True) - 1
        first, height, width, count, stride = columns[:, level]  # (n,) each
        cell = (centres / stride[:, None] - self.center_offset + 0.5).floor().long()  # (n, 2)
        column = cell[:, 0].clamp(min=0).minimum(width - 1)
        row = cell[:, 1].clamp(min=0).minimum(height - 1)
        return first + (row * width + column) * count + (index - first) % count

    def _check_maps(self, maps: Sequence[tuple[int, int]]) -> None:
        if len(maps) != len(self.strides):
            raise ValueError(f"{len(maps)} maps but {len(self.strides)} strides")


def _check_sizes(sizes: Sequence[Sequence[Size]] | None, levels: int) -> None:
    if sizes is None:
        return
    if len(sizes) != levels:
        raise InputError(
            f"sizes: {len(sizes)} lists for {levels} strides; give one list of (width, height) to "
            "each stride."
        )
    for number, level in enumerate(sizes):
        if not level or any(len(size) != 2 or min(size) <= 0 for size in level):
            raise InputError(
                f"sizes[{number}] must be positive (width, height) pairs, got {list(level)}"
            )
