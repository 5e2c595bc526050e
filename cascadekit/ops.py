"""The one door to compiled kernels: NMS, RoI pooling, deformable convolution; one contract for all.

The contract, on every device and with either library:

- boxes are (R, 4) xyxy in pixels of the network's input, any float dtype; they are computed with
  in float32 at least, so half precision never rounds a coordinate. R may be 0 everywhere.
- indices come back as int64, best score first; equal scores keep their order.
- pooled features are (R, C, P, P) in the dtype of the feature maps, differentiable with respect to
  the maps (every map given stays in the graph, also when no roi reads it) and not to the boxes.

Which kernel runs: mmcv's compiled extension where it can be imported and serves the device, else
torchvision's. `CASCADEKIT_OPS=mmcv|torchvision` forces one. On a CPU, RoIAlign with a fixed number
of samples needs neither: a bin is a fixed weighted sum of pixels, hence one weighted embedding bag
over the whole pyramid, many times faster. `CASCADEKIT_ROI_ALIGN=native|bag` or the argument `form`
chooses otherwise. It reads and returns channels_last memory; give it channels_last maps, or each
call transposes the pyramid, and its gradient once more. Neither library is imported before a kernel
is asked for. `with exportable():` keeps to what torch.export and ONNX can express. The choice
itself is in `ops_kernels.py`; what R-FCN needs is in `ops_rfcn.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import torch
from torch import Tensor

from cascadekit.errors import InputError, did_you_mean
from cascadekit.ops_kernels import (
    BACKENDS,
    at_least_float32,
    check_boxes,
    choice,
    exportable,
    is_empty,
    is_exportable,
    lacks,
    library_for,
    no_rois,
    pair,
)
from cascadekit.ops_rfcn import deform_conv2d, ps_roi_align, ps_roi_pool
from cascadekit.roi_align_bag import Bins, bag_roi_align

__all__ = [
    "batched_nms",
    "deform_conv2d",
    "describe_backends",
    "exportable",
    "nms",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_align_levels",
    "roi_pool",
]

FORMS = ("auto", "bag", "native")

# Above this many boxes a GPU takes the groups one by one: its NMS needs N * N / 8 bytes.
MOST_BOXES_TOGETHER = 20_000


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) xyxy, pixels; N may be 0. Boxes without area suppress nothing.
        scores: (N,) float.
        iou_threshold: a box is dropped when its IoU with a better kept one is above this.

    Returns:
        (M,) int64 rows of the kept boxes, best score first, equal scores in input order.

    Raises:
        ValueError: `boxes` is not (N, 4) or `scores` not (N,).
    """
    check_boxes(boxes, "scores", scores)
    order = scores.sort(descending=True, stable=True).indices
    return order[_nms_sorted(boxes[order], iou_threshold)]


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression within each group (class, pyramid level, image) separately.

    Args:
        boxes: (N, 4) xyxy, pixels; N may be 0.
        scores: (N,) float.
        groups: (N,) int64, any values.
        iou_threshold: as in `nms`.

    Returns:
        (M,) int64 rows of the kept boxes of all groups, best score first, equal scores in input
        order.

    Raises:
        ValueError: `boxes` is not (N, 4), or `scores` or `groups` not (N,).
    """
    check_boxes(boxes, "scores", scores)
    check_boxes(boxes, "groups", groups)
    order = scores.sort(descending=True, stable=True).indices
    boxes, groups = boxes[order], groups[order]
    if is_exportable() or (boxes.is_cuda and len(boxes) <= MOST_BOXES_TOGETHER):
        # One launch and one wait instead of one per group.
        return order[_nms_sorted(_spread(boxes, groups), iou_threshold)]
    # One group after the other: NMS is quadratic in its input, so N boxes in G even groups cost
    # N * N / G instead of N * N.
    by_group = groups.sort(stable=True).indices  # still best first within each group
    sizes = groups[by_group].unique_consecutive(return_counts=True)[1].tolist()
    kept = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    for rows in by_group.split(sizes):
        kept[rows[_nms_sorted(boxes[rows], iou_threshold)]] = True
    return order[kept]


def roi_align(
    feature: Tensor,
    boxes: Tensor,
    image_index: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool = True,
    form: str = "auto",
) -> Tensor:
    """RoIAlign on one map: the mean of bilinear samples in each bin of each roi.

    Args:
        feature: (B, C, H, W) float; B >= 1.
        boxes: (R, 4) xyxy, input pixels; R may be 0. No gradient flows to them.
        image_index: (R,) int64, 0..B-1.
        output_size: P, or (height, width) in bins.
        spatial_scale: map pixels per input pixel, 1 / stride.
        sampling_ratio: samples per bin and axis; 0 takes as many as the bin has map pixels.
        aligned: shift by half a pixel, so that pixel centres lie at +0.5 (Detectron2's "v2").
        form: "bag", "native" (mmcv or torchvision), or "auto": bag on a CPU unless
            `sampling_ratio` is 0 or the environment variable CASCADEKIT_ROI_ALIGN says otherwise.

    Returns:
        (R, C, P, P) of the feature's dtype. The bag form returns it in channels_last memory.

    Raises:
        InputError: form "bag" with sampling_ratio 0, or an unknown form or backend.
        ValueError: shapes do not fit.

    Source: Mask R-CNN (He et al. 2017), section 3; border rules as in Detectron2: a sample more
    than a pixel outside the map is 0, one closer is moved to the border.
    """
    check_boxes(boxes, "image_index", image_index)
    levels = torch.zeros_like(image_index)
    bins = Bins(pair(output_size), sampling_ratio, aligned)
    return _align([feature], boxes, image_index, levels, [spatial_scale], bins, form)


def roi_align_levels(
    features: Sequence[Tensor],
    boxes: Tensor,
    image_index: Tensor,
    levels: Tensor,
    strides: Sequence[float],
    output_size: int | tuple[int, int],
    sampling_ratio: int,
    aligned: bool = True,
    form: str = "auto",
) -> Tensor:
    """RoIAlign on a pyramid: each roi reads the level it was assigned to.

    Args:
        features: L maps (B, C, H_l, W_l) of one dtype; L >= 1, B >= 1.
        boxes: (R, 4) xyxy, input pixels; R may be 0.
        image_index: (R,) int64, 0..B-1.
        levels: (R,) int64, 0..L-1.
        strides: L numbers, input pixels per map pixel.
        output_size: as in `roi_align`.
        sampling_ratio: as in `roi_align`.
        aligned: as in `roi_align`.
        form: as in `roi_align`.

    Returns:
        (R, C, P, P), row r for box r, as `roi_align` returns it.

    Raises:
        InputError: form "bag" with sampling_ratio 0, or an unknown form or backend.
        ValueError: shapes do not fit.
    """
    check_boxes(boxes, "image_index", image_index)
    check_boxes(boxes, "levels", levels)
    if len(features) != len(strides):
        raise ValueError(f"{len(features)} feature maps but {len(strides)} strides")
    scales = [1 / stride for stride in strides]
    bins = Bins(pair(output_size), sampling_ratio, aligned)
    return _align(features, boxes, image_index, levels, scales, bins, form)


def roi_pool(
    feature: Tensor,
    boxes: Tensor,
    image_index: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float,
) -> Tensor:
    """RoIPool: box corners rounded to map pixels, the maximum of each bin.

    Args:
        feature: (B, C, H, W) float; B >= 1.
        boxes: (R, 4) xyxy, input pixels; R may be 0. No gradient flows to them.
        image_index: (R,) int64, 0..B-1.
        output_size: P, or (height, width) in bins.
        spatial_scale: map pixels per input pixel, 1 / stride.

    Returns:
        (R, C, P, P) of the feature's dtype; 0 in bins outside the map.

    Raises:
        InputError: the forced backend cannot do it on this device.
        ValueError: shapes do not fit.

    Source: Fast R-CNN (Girshick 2015), section 2.1.
    """
    check_boxes(boxes, "image_index", image_index)
    size = pair(output_size)
    if is_empty(boxes):
        return no_rois(feature, feature.shape[1], size)
    _, library = library_for("roi_pool", feature.device)
    wide = at_least_float32(feature).contiguous()
    rois = torch.cat([image_index[:, None], boxes.detach()], 1).to(wide.dtype)
    return library.roi_pool(wide, rois, size, spatial_scale).to(feature.dtype)


def describe_backends(device: str | torch.device = "cpu") -> str:
    """Which kernels serve `device` and why, in a sentence or two, for `cascadekit env`.

    Args:
        device: a device or its name, "cpu", "cuda:0".

    Returns:
        Text for people, on one line.

    Raises:
        InputError: an environment variable names an unknown or absent backend or form.
    """
    device = torch.device(device)
    name, _ = library_for("nms", device)
    if choice("CASCADEKIT_OPS", BACKENDS) != "auto":
        why = "forced by CASCADEKIT_OPS"
    elif name == "mmcv":
        why = "its compiled extension is installed and serves this device"
    else:
        why = lacks("mmcv", "nms", device.type)
    version = import_module(name).__version__
    text = f"{device.type}: NMS and RoI pooling from {name} {version} ({why})."
    if _form("auto", device, sampling_ratio=2) == "bag":
        text += " RoIAlign with fixed sampling runs as an embedding bag of torch."
    return text


def _form(form: str, device: torch.device, sampling_ratio: int) -> str:
    """Resolve "auto" to "bag" or "native"."""
    if form not in FORMS:
        known = ", ".join(FORMS)
        raise InputError(f"RoIAlign form {form!r}: expected {known}.{did_you_mean(form, FORMS)}")
    if form == "auto":
        form = choice("CASCADEKIT_ROI_ALIGN", FORMS)
    if form == "auto" and is_exportable():
        return "native"
    if form == "auto":
        return "bag" if device.type == "cpu" and sampling_ratio > 0 else "native"
    if form == "bag" and sampling_ratio <= 0:
        raise InputError(
            "RoIAlign form 'bag' needs a fixed number of samples: set sampling_ratio to 1 or more "
            "(2 is usual), or leave the form on 'auto'."
        )
    return form


# NMS.


def _nms_sorted(boxes: Tensor, iou_threshold: float) -> Tensor:
    """Rows kept of (N, 4) boxes that come best first: (M,) int64, ascending."""
    if is_exportable():
        return _exportable_nms_sorted(boxes, iou_threshold)
    if is_empty(boxes):
        return torch.empty(0, dtype=torch.int64, device=boxes.device)
    # Ranks for scores: no ties, so that both libraries keep the same boxes. float32 counts exactly
    # up to 2**24 boxes.
    ranks = torch.arange(boxes.shape[0], 0, -1, dtype=torch.float32, device=boxes.device)
    name, library = library_for("nms", boxes.device)
    kept = library.nms(boxes.float(), ranks, iou_threshold)
    return kept[1] if name == "mmcv" else kept


def _exportable_nms_sorted(boxes: Tensor, iou_threshold: float) -> Tensor:
    """`_nms_sorted` for any number of boxes, 0 included, in one call of torchvision."""
    # An exported graph checks what torchvision's shape rule says of the result: two rows at least.
    # So two empty boxes come last; they suppress nothing, stay, and are left out again.
    boxes = torch.cat([boxes.float(), boxes.new_zeros(2, 4, dtype=torch.float32)])
    ranks = torch.arange(boxes.shape[0], 0, -1, dtype=torch.float32, device=boxes.device)
    return library_for("nms", boxes.device)[1].nms(boxes, ranks, iou_threshold)[:-2]


def _spread(boxes: Tensor, groups: Tensor) -> Tensor:
    """Shift (N, 4) boxes so that boxes of different groups are disjoint; N may be 0.

    Each group gets a cell of a square grid, numbered densely and from the smallest coordinate:
    large shifts cost float32 precision.
    """
    ordered, place = groups.sort()
    before = torch.cat([ordered.new_zeros(1), ordered])[:-1]
    number = torch.empty_like(groups).scatter(0, place, (ordered != before).cumsum(0))
    side = torch.cat([number, number.new_zeros(1)]).max().add(1).sqrt().ceil()  # cells in a row
    row = (number / side).floor()
    coordinates = torch.cat([boxes.flatten(), boxes.new_zeros(1)])  # there may be no box
    low = coordinates.min()
    cell = torch.stack([number - row * side, row], 1) * (coordinates.max() - low + 1)  # (N, 2)
    return boxes - low + cell.repeat(1, 2)


# RoIAlign.


def _align(
    features: Sequence[Tensor],
    boxes: Tensor,
    image_index: Tensor,
    levels: Tensor,
    scales: Sequence[float],
    bins: Bins,
    form: str,
) -> Tensor:
    """RoIAlign of a pyramid in the form asked for; see `roi_align_levels`."""
    boxes = boxes.detach().to(at_least_float32(features[0][:0]).dtype)
    if _form(form, features[0].device, bins.samples) == "bag":
        return bag_roi_align(features, boxes, image_index, levels, scales, bins)
    rois = torch.cat([image_index[:, None].to(boxes.dtype), boxes], 1)
    if len(features) == 1:
        return _native_align(features[0], rois, scales[0], bins)
    pooled = features[0].new_zeros(rois.shape[0], features[0].shape[1], *bins.size)
    for level, (feature, scale) in enumerate(zip(features, scales, strict=True)):
        rows = (levels == level).nonzero()[:, 0]
        pooled[rows] = _native_align(feature, rois[rows], scale, bins)
    return pooled


def _native_align(feature: Tensor, rois: Tensor, scale: float, bins: Bins) -> Tensor:
    """RoIAlign of one map by mmcv or torchvision; rois are (R, 5), image index first."""
    if is_empty(rois):
        return no_rois(feature, feature.shape[1], bins.size)
    name, library = library_for("roi_align", feature.device)
    # contiguous: mmcv reads a channels_last map as if it were not.
    wide = at_least_float32(feature).contiguous()
    mode = ("avg", bins.aligned) if name == "mmcv" else (bins.aligned,)
    pooled = library.roi_align(wide, rois, bins.size, scale, bins.samples, *mode)
    return pooled.to(feature.dtype)
