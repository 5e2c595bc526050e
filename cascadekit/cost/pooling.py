"""Arithmetic of roi pooling, which torch's counter does not know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from cascadekit.models.roi_heads import CornerRoIAlign, PSRoIPool, PyramidRoIAlign, RoIPool

POOLS = (PyramidRoIAlign, CornerRoIAlign, RoIPool, PSRoIPool)
SAMPLE_FLOPS = 8  # a bilinear sample reads 4 pixels; each is multiplied and added


def pooling_flops(pool: nn.Module, boxes: Tensor, output: Tensor) -> float:
    """Floating point operations of pooling some rois.

    Args:
        pool: one of `POOLS`.
        boxes: (R, 4) xyxy input pixels; R may be 0.
        output: (R, C, P, P).

    Returns:
        Of all rois. Adaptive sampling (`sampling_ratio` 0) counts as 2 samples per bin and axis;
        the maximum or mean of cells counts one operation for each cell read.
    """
    height, width = output.shape[2:]
    if isinstance(pool, CornerRoIAlign):  # a sample at each corner, then means of four
        corners = (height + 1) * (width + 1) / (height * width)
        return output.numel() * (corners * SAMPLE_FLOPS + 4)
    if isinstance(pool, PyramidRoIAlign) or (isinstance(pool, PSRoIPool) and pool.form == "align"):
        return float(output.numel() * (pool.sampling_ratio or 2) ** 2 * SAMPLE_FLOPS)
    cells = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0) / float(pool.stride)  # type: ignore[arg-type]
    return float(cells.prod(1).sum()) * output.shape[1]


@contextmanager
def counted_pooling(model: nn.Module) -> Iterator[list[float]]:
    """Within the block the list grows by the operations of each call of a roi pooling layer."""
    counted: list[float] = []

    def note(pool: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        counted.append(pooling_flops(pool, inputs[1], output))

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, POOLS)]
    try:
        yield counted
    finally:
        for hook in hooks:
            hook.remove()
