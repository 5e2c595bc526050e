"""RoIAlign in plain torch: a weighted embedding bag over a table of all pixels of the pyramid.

A RoIAlign bin is the mean of S x S bilinear samples, that is a fixed weighted sum of 4 * S * S
pixels. With every pixel of every level of every image as one row of a (pixels, C) table, all bins
of all rois become one `embedding_bag`, whose CPU kernel reads whole rows with vector instructions.
`cascadekit.ops` calls this; nothing else should.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Look-ups of one embedding bag: bounds the memory for indices, weights and their temporaries to
# some 100 MB however many rois there are.
LOOK_UPS_PER_CHUNK = 4_000_000


@dataclass(frozen=True)
class Bins:
    """How a roi is cut.

    Attributes:
        size: (height, width) in bins.
        samples: bilinear samples per bin and axis; 0 (adaptive) is for the compiled kernels only.
        aligned: whether pixel centres lie at +0.5.
    """

    size: tuple[int, int]
    samples: int
    aligned: bool


def bag_roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    image_index: Tensor,
    levels: Tensor,
    scales: Sequence[float],
    bins: Bins,
) -> Tensor:
    """RoIAlign of a pyramid.

    Args:
        features: L maps (B, C, H_l, W_l) of one dtype, L >= 1, B >= 1.
        boxes: (R, 4) float32 or float64 xyxy, input pixels; R may be 0. A sample whose coordinate
            is NaN or infinite counts as outside the map.
        image_index: (R,) int64, 0..B-1.
        levels: (R,) int64, 0..L-1.
        scales: L numbers, map pixels per input pixel.
        bins: `bins.samples` must be 1 or more.

    Returns:
        (R, C, height, width) of the features' dtype, in channels_last memory.
    """
    # A view for channels_last maps; then `cat` is the only copy.
    pixels = [feature.permute(0, 2, 3, 1).flatten(0, 2) for feature in features]
    table = torch.cat(pixels) if len(pixels) > 1 else pixels[0]  # (pixels, C)
    rois = _RoisOnTable.locate(features, boxes, image_index, levels, scales, bins)
    pooled = _BagRoIAlign.apply(table, rois)  # (R * height * width, C)
    return pooled.view(len(boxes), *bins.size, table.shape[1]).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _RoisOnTable:
    """Where R rois lie on their maps, and where their maps begin in the table.

    Attributes:
        bins: how each is cut.
        start: (R, 2) float, (y, x) of the upper left corner in map pixels.
        extent: (R, 2) float, (height, width) in map pixels.
        limit: (R, 2) int64, (height, width) of the map.
        base: (R,) int64, table row of the map's first pixel.
    """

    bins: Bins
    start: Tensor
    extent: Tensor
    limit: Tensor
    base: Tensor

    @classmethod
    def locate(
        cls,
        features: Sequence[Tensor],
        boxes: Tensor,
        image_index: Tensor,
        levels: Tensor,
        scales: Sequence[float],
        bins: Bins,
    ) -> _RoisOnTable:
        """Scale boxes to their levels."""
        first, row = [], 0
        for feature in features:
            first.append(row)
            row += feature.shape[0] * feature.shape[2] * feature.shape[3]
        limit = image_index.new_tensor([feature.shape[2:] for feature in features])[levels]
        base = image_index.new_tensor(first)[levels] + image_index * limit.prod(1)

        scaled = boxes * boxes.new_tensor(scales)[levels, None] - (0.5 if bins.aligned else 0.0)
        start, end = scaled[:, [1, 0]], scaled[:, [3, 2]]
        extent = end - start
        if not bins.aligned:
            extent = extent.clamp(min=1)  # as Detectron did; aligned boxes may be empty
        return cls(bins, start, extent, limit, base)

    def chunks(self) -> Iterator[slice]:
        """Slices of rois, each with a bounded number of look-ups; none for R = 0."""
        per_roi = self.bins.size[0] * self.bins.size[1] * 4 * self.bins.samples**2
        step = max(1, LOOK_UPS_PER_CHUNK // per_roi)
        return (slice(i, i + step) for i in range(0, len(self.base), step))

    def look_ups(self, rois: slice) -> tuple[Tensor, Tensor]:
        """Table rows (int32) and weights of each bin, both (r * height * width, 4 * S * S)."""
        y, weight_y = self._along(0, rois)  # (r, height, 2S)
        x, weight_x = self._along(1, rois)  # (r, width, 2S)
        width = self.limit[rois, 1].int()[:, None, None]
        y = y * width + self.base[rois].int()[:, None, None]
        # Bilinear weights and the mean are separable, so both are outer combinations.
        index = y[:, :, None, :, None] + x[:, None, :, None, :]  # (r, height, width, 2S, 2S)
        weight = weight_y[:, :, None, :, None] * weight_x[:, None, :, None, :]
        return index.flatten(3).flatten(0, 2), weight.flatten(3).flatten(0, 2)

    def _along(self, axis: int, rois: slice) -> tuple[Tensor, Tensor]:
        """Pixels (int32) and weights read along an axis, both (r, bins, 2S)."""
        start, extent, limit = self.start[rois, axis], self.extent[rois, axis], self.limit
        limit = limit[rois, axis, None, None]
        step = (extent / self.bins.size[axis])[:, None, None]
        bin_ = torch.arange(self.bins.size[axis], device=start.device)[:, None]
        sample = torch.arange(self.bins.samples, device=start.device) + 0.5
        # Added up in the order of the compiled kernels, for the same rounding at the border.
        at = start[:, None, None] + bin_ * step + sample * step / self.bins.samples
        inside = (at >= -1) & (at <= limit)  # False for NaN
        at = at.where(inside, 0).clamp(min=0).minimum(limit - 1)
        low = at.floor()
        share = at - low  # of the pixel after `low`; 0 on the last one
        pixel = torch.stack([low, (low + 1).minimum(limit - 1)], -1).int()
        weight = torch.stack([1 - share, share], -1) * (inside / self.bins.samples)[..., None]
        return pixel.flatten(2), weight.flatten(2).to(start.dtype)


class _BagRoIAlign(torch.autograd.Function):
    """(pixels, C) table -> (bins, C).

    torch's own backward of a bag adds up bfloat16 in bfloat16, where a pixel read by many rois
    loses its small terms. The transpose of a weighted bag is a weighted bag, which sums in float32:
    each pixel adds up the gradients of the bins that read it. Indices are computed again in the
    backward pass rather than kept.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rois: _RoisOnTable) -> Tensor:
        """Sum the pixels of each bin."""
        ctx.rois, ctx.pixels = rois, len(table)
        parts = []
        for chunk in rois.chunks():
            index, weight = rois.look_ups(chunk)
            weight = weight.to(table.dtype)
            parts.append(F.embedding_bag(index, table, mode="sum", per_sample_weights=weight))
        if not parts:
            return table.new_empty(0, table.shape[1])
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Sum the gradients of the bins that read each pixel."""
        gradient = gradient.contiguous()
        per_roi = ctx.rois.bins.size[0] * ctx.rois.bins.size[1]
        result = None
        for chunk in ctx.rois.chunks():
            index, weight = ctx.rois.look_ups(chunk)
            pixel, order = index.flatten().sort()
            bin_ = order.div(index.shape[1], rounding_mode="floor") + chunk.start * per_roi
            read = torch.bincount(pixel, minlength=ctx.pixels)
            part = F.embedding_bag(
                bin_,
                gradient,
                offsets=read.cumsum(0) - read,
                mode="sum",
                per_sample_weights=weight.flatten()[order].to(gradient.dtype),
            )  # (pixels, C): touching that much memory twice would double the time
            result = part if result is None else result.add_(part)
        return gradient.new_zeros(ctx.pixels, gradient.shape[1]) if result is None else result, None
