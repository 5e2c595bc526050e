"""What R-FCN and its deformable form need: position-sensitive pooling, deformable convolution.

Call them through `cascadekit.ops`, whose contract they keep.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from cascadekit.ops_kernels import (
    at_least_float32,
    check_boxes,
    is_empty,
    library_for,
    no_rois,
    pair,
)


def ps_roi_pool(
    feature: Tensor,
    boxes: Tensor,
    image_index: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float,
) -> Tensor:
    """Position-sensitive RoIPool: the mean of each bin, every bin read from channels of its own.

    Args:
        feature: (B, C * P * P, H, W) float; B >= 1. Channel (c * P + row) * P + column holds what
            bin (row, column) of output channel c reads.
        boxes: (R, 4) xyxy, input pixels; R may be 0. No gradient flows to them.
        image_index: (R,) int64, 0..B-1.
        output_size: P, or (height, width) in bins; then height * width takes the place of P * P.
        spatial_scale: map pixels per input pixel, 1 / stride.

    Returns:
        (R, C, P, P) of the feature's dtype; 0 in bins outside the map.

    Raises:
        InputError: the forced backend cannot do it.
        ValueError: shapes do not fit.

    Source: R-FCN (Dai et al. 2016), equation 1. As in torchvision, corners are scaled, then rounded
    to map pixels, the lower right one excluded, and a roi has at least one pixel; the authors'
    Caffe code rounds first and scales then, so that bins begin and end anywhere. Unlike
    torchvision's, ours reads the map's last row and column.
    """
    check_boxes(boxes, "image_index", image_index)
    size = pair(output_size)
    channels = _channels_per_bin(feature, size)
    if is_empty(boxes):
        return no_rois(feature, channels, size)
    _, library = library_for("ps_roi_pool", feature.device)
    wide = at_least_float32(feature)
    rois = torch.cat([image_index[:, None].to(wide.dtype), boxes.detach().to(wide.dtype)], 1)
    return _WholeMapPool.apply(wide, rois, size, spatial_scale, library).to(feature.dtype)


class _WholeMapPool(torch.autograd.Function):
    """torchvision's position-sensitive RoIPool, on all of the map and with the gradient of that.

    Its forward kernel limits bins to the pixels before the last row and column, its backward kernel
    to those of the map. With a row and a column more, the forward one reads all of the map.
    """

    @staticmethod
    def forward(
        ctx: Any,
        feature: Tensor,
        rois: Tensor,
        size: tuple[int, int],
        scale: float,
        library: ModuleType,
    ) -> Tensor:
        """The mean of each bin; rois are (R, 5), image index first."""
        ctx.save_for_backward(rois)
        ctx.rest = feature.shape, size, scale, library
        padded = F.pad(feature, (0, 1, 0, 1)).contiguous()
        return library.ps_roi_pool(padded, rois, size, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Through the kernel on the map as it is; pooling is linear, so any map does."""
        (rois,) = ctx.saved_tensors
        shape, size, scale, library = ctx.rest
        with torch.enable_grad():
            feature = gradient.new_zeros(shape, requires_grad=True)
            pooled = library.ps_roi_pool(feature, rois, size, scale)
        (result,) = torch.autograd.grad(pooled, feature, gradient.contiguous())
        return result, None, None, None, None


def ps_roi_align(
    feature: Tensor,
    boxes: Tensor,
    image_index: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
) -> Tensor:
    """Position-sensitive RoIAlign: as `ps_roi_pool`, with bilinear samples and no rounding.

    Args:
        feature: (B, C * P * P, H, W) float, channels as in `ps_roi_pool`; B >= 1.
        boxes: (R, 4) xyxy, input pixels; R may be 0. No gradient flows to them.
        image_index: (R,) int64, 0..B-1.
        output_size: P, or (height, width) in bins.
        spatial_scale: map pixels per input pixel, 1 / stride.
        sampling_ratio: samples per bin and axis; 0 takes as many as the bin has map pixels, none in
            a box without area, whose bins are then 0.

    Returns:
        (R, C, P, P) of the feature's dtype.

    Raises:
        InputError: the forced backend cannot do it.
        ValueError: shapes do not fit.

    Source: Light-Head R-CNN (Li et al. 2017), section 3; samples and borders as in `roi_align` with
    `aligned=True`.
    """
    check_boxes(boxes, "image_index", image_index)
    size = pair(output_size)
    channels = _channels_per_bin(feature, size)
    if is_empty(boxes):
        return no_rois(feature, channels, size)
    _, library = library_for("ps_roi_align", feature.device)
    wide = at_least_float32(feature).contiguous()
    boxes = boxes.detach().to(wide.dtype)
    rois = torch.cat([image_index[:, None].to(wide.dtype), boxes], 1)
    pooled = library.ps_roi_align(wide, rois, size, spatial_scale, sampling_ratio)
    if sampling_ratio <= 0:  # the mean of no samples is 0 / 0 there
        has_area = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
        pooled = pooled.where(has_area[:, None, None, None], 0)
    return pooled.to(feature.dtype)


def _channels_per_bin(feature: Tensor, size: tuple[int, int]) -> int:
    """C of a (B, C * height * width, H, W) map; ValueError where the channels do not divide."""
    bins = size[0] * size[1]
    if feature.ndim != 4 or feature.shape[1] < bins or feature.shape[1] % bins:
        raise ValueError(
            f"feature must be (B, C * {size[0]} * {size[1]}, H, W), got {tuple(feature.shape)}"
        )
    return feature.shape[1] // bins


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    deform_groups: int = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Convolution whose every tap reads where an offset sends it, by bilinear interpolation.

    Args:
        x: (B, C_in, H, W) float; B >= 1. Zero outside.
        offset: (B, 2 * G * kh * kw, H_out, W_out) float, map pixels. Of deformable group g, tap k
            (row by row), channel 2 * (g * kh * kw + k) is dy and the next one dx.
        weight: (C_out, C_in / groups, kh, kw) float.
        bias: (C_out,) float, or None.
        stride: of the output on the input, both axes or (vertical, horizontal).
        padding: zeros around the input.
        dilation: distance of the taps before they move.
        groups: of the convolution's channels.
        deform_groups: G; each moves the taps of C_in / G input channels.
        mask: (B, G * kh * kw, H_out, W_out) float, a factor for each tap (v2); None: 1 (v1).

    Returns:
        (B, C_out, H_out, W_out) of the dtype of x, computed in float32 at least. Differentiable
        with respect to everything given.

    Raises:
        InputError: the forced backend cannot do it on this device.
        ValueError: shapes do not fit.

    Source: Deformable Convolutional Networks (Dai et al. 2017), equation 2; with a mask Deformable
    ConvNets v2 (Zhu et al. 2019), equation 1. Order of the channels as in mmcv and torchvision.
    """
    steps = [pair(stride), pair(padding), pair(dilation)]
    _check_deformable(x, offset, weight, steps, (groups, deform_groups), mask)
    name, library = library_for("deform_conv2d", x.device)
    wide = at_least_float32(x).contiguous()
    weight, offset = weight.to(wide.dtype), offset.to(wide.dtype).contiguous()
    bias = None if bias is None else bias.to(wide.dtype)
    mask = None if mask is None else mask.to(wide.dtype).contiguous()
    if name == "torchvision":
        return library.deform_conv2d(wide, offset, weight, bias, *steps, mask=mask).to(x.dtype)
    # Both versions through mmcv's kernel for v2: that for v1 refuses maps smaller than the kernel.
    if mask is None:
        taps = weight.shape[2] * weight.shape[3]
        mask = wide.new_ones(len(x), deform_groups * taps, *offset.shape[2:])
    return library.modulated_deform_conv2d(
        wide, offset, mask, weight, bias, *steps, groups, deform_groups
    ).to(x.dtype)


def _check_deformable(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    steps: list[tuple[int, int]],
    groups: tuple[int, int],
    mask: Tensor | None,
) -> None:
    """ValueError unless the shapes fit; steps are stride, padding, dilation, groups both kinds."""
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(
            "x must be (B, C, H, W) and weight (C_out, C_in / groups, kh, kw), got "
            f"{tuple(x.shape)} and {tuple(weight.shape)}"
        )
    if x.shape[1] != weight.shape[1] * groups[0] or len(weight) % groups[0]:
        raise ValueError(
            f"weight {tuple(weight.shape)} does not fit {x.shape[1]} channels in {groups[0]} groups"
        )
    if x.shape[1] % groups[1]:
        raise ValueError(f"{x.shape[1]} channels are no multiple of deform_groups={groups[1]}")
    out = []
    for side, kernel, stride, padding, dilation in zip(
        x.shape[2:], weight.shape[2:], *steps, strict=True
    ):
        out.append((side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    taps = groups[1] * weight.shape[2] * weight.shape[3]
    for name, tensor, channels in (("offset", offset, 2 * taps), ("mask", mask, taps)):
        if tensor is not None and tensor.shape != (len(x), channels, *out):
            expected = (len(x), channels, *out)
            raise ValueError(f"{name} must be {expected}, got {tuple(tensor.shape)}")
