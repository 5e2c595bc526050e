"""Instance masks: ragged bitmaps for ground truth, box-sized probability maps for predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

Window = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels, the end excluded


@dataclass(frozen=True)
class InstanceMasks:
    """Bitmaps of N objects of one picture, each stored inside its own window only.

    Memory grows with the area of the objects, not with N times the picture.

    Attributes:
        pixels: (P,) uint8, 0 or 1: all windows one after the other, each row by row.
        windows: (N, 4) int64, x1 y1 x2 y2 in whole pixels, end excluded; N may be 0.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """

    pixels: Tensor
    windows: Tensor
    height: int
    width: int

    @classmethod
    def from_crops(
        cls, crops: Sequence[tuple[Window, np.ndarray]], height: int, width: int
    ) -> InstanceMasks:
        """Join one (window, (h, w) bitmap) pair per object; `crops` may be empty."""
        flat = [np.ascontiguousarray(bitmap, dtype=np.uint8).ravel() for _, bitmap in crops]
        pixels = np.concatenate(flat) if flat else np.zeros(0, np.uint8)
        windows = np.array([window for window, _ in crops], np.int64).reshape(-1, 4)
        return cls(torch.from_numpy(pixels), torch.from_numpy(windows), height, width)

    @classmethod
    def from_bitmaps(cls, bitmaps: Tensor) -> InstanceMasks:
        """Store (N, H, W) full-size bitmaps (any dtype, non-zero is inside); N may be 0."""
        count, height, width = bitmaps.shape
        window = torch.tensor([[0, 0, width, height]], device=bitmaps.device).expand(count, 4)
        return cls((bitmaps != 0).to(torch.uint8).reshape(-1), window.clone(), height, width)

    def __len__(self) -> int:
        """Number of objects N."""
        return len(self.windows)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> InstanceMasks:
        """The same masks on another device."""
        return replace(
            self,
            pixels=self.pixels.to(device, non_blocking=non_blocking),
            windows=self.windows.to(device, non_blocking=non_blocking),
        )

    def known(self) -> Tensor:
        """(N,) bool: objects that have a mask; one without has an empty window."""
        return (self.windows[:, 2] > self.windows[:, 0]) & (self.windows[:, 3] > self.windows[:, 1])

    def offsets(self) -> Tensor:
        """(N,) int64: where each object's first pixel lies in `pixels`."""
        sizes = (self.windows[:, 2] - self.windows[:, 0]) * (
            self.windows[:, 3] - self.windows[:, 1]
        )
        return sizes.cumsum(0) - sizes

    def to_bitmaps(self) -> Tensor:
        """(N, H, W) uint8 full-size bitmaps."""
        bitmaps = self.pixels.new_zeros(len(self), self.height, self.width)
        starts = self.offsets().tolist()
        for bitmap, start, (x1, y1, x2, y2) in zip(
            bitmaps, starts, self.windows.tolist(), strict=True
        ):
            crop = self.pixels[start : start + (y2 - y1) * (x2 - x1)]
            bitmap[y1:y2, x1:x2] = crop.view(y2 - y1, x2 - x1)
        return bitmaps


def rasterise(segmentation: Any, height: int, width: int) -> tuple[Window, np.ndarray]:
    """Draw one COCO segmentation inside its own window.

    Args:
        segmentation: polygons [[x, y, ...], ...] in pixels, or RLE {"size", "counts"} with counts
            as a list, string or bytes.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Returns:
        The window, and an (h, w) uint8 bitmap of it. Nothing inside gives a window of size 0.
    """
    if isinstance(segmentation, dict):
        rle = segmentation
        if isinstance(rle["counts"], list):
            rle = coco_mask.frPyObjects(rle, *rle["size"])
        bitmap = coco_mask.decode(rle)
        x, y, w, h = (int(v) for v in coco_mask.toBbox(rle))
        return (x, y, x + w, y + h), bitmap[y : y + h, x : x + w]
    polygons = [np.asarray(p, np.float64).reshape(-1, 2) for p in segmentation if len(p) >= 6]
    if not polygons:
        return (0, 0, 0, 0), np.zeros((0, 0), np.uint8)
    points = np.concatenate(polygons)
    x1, y1 = np.clip(np.floor(points.min(0)).astype(int), 0, (width, height)).tolist()
    x2, y2 = np.clip(np.ceil(points.max(0)).astype(int) + 1, 0, (width, height)).tolist()
    if x2 <= x1 or y2 <= y1:
        return (0, 0, 0, 0), np.zeros((0, 0), np.uint8)
    # A whole-pixel shift draws the same pixels as on the full picture, without its H * W cost.
    local = [(polygon - (x1, y1)).ravel().tolist() for polygon in polygons]
    rle = coco_mask.merge(coco_mask.frPyObjects(local, y2 - y1, x2 - x1))
    return (x1, y1, x2, y2), coco_mask.decode(rle)


def _taps(
    start: Tensor, length: Tensor, count: int, limit: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Bilinear reading positions along one axis, with RoIAlign's rule at the border.

    Args:
        start: (R,) float32 first edge of each box, pixels.
        length: (R,) float32 side of each box, pixels.
        count: readings per box.
        limit: side of the picture, pixels.

    Returns:
        Lower and upper index (R, count) int64 and their weights (R, count) float32.
    """
    step = (torch.arange(count, device=start.device) + 0.5) / count
    position = start[:, None] - 0.5 + length[:, None] * step  # (R, count), pixel centres whole
    inside = (position >= -1) & (position <= limit)
    position = position.clamp(0, max(limit - 1, 0))
    low = position.floor().long()
    high = (low + 1).clamp(max=max(limit - 1, 0))
    part = position - low
    return low, high, (1 - part) * inside, part * inside


def crop_and_resize(
    masks: InstanceMasks, index: Tensor, boxes: Tensor, size: int, samples: int = 2
) -> Tensor:
    """Mask targets: the part of each object that lies in a box, on a size x size grid.

    Args:
        masks: N objects of one picture.
        index: (R,) int64, which object each box is for; R may be 0.
        boxes: (R, 4) xyxy pixels of the same picture.
        size: side of the grid.
        samples: bilinear readings per cell and axis; 0: as many as the cell has pixels.

    Returns:
        (R, size, size) float32, 0 or 1: the mean of the readings of each cell, cut at 0.5.

    Source: RoIAlign of the bitmap, aligned. mmdetection, and detectron2 with bitmaps, take as many
    samples as pixels; Detectron redraws the polygon instead.
    """
    if samples > 0:
        return _read_cells(masks, index, boxes, size, (samples, samples))
    counts = ((boxes[:, 2:] - boxes[:, :2]) / size).ceil().clamp(min=1).long()  # (R, 2), x and y
    cells = boxes.new_zeros(len(boxes), size, size)
    for x, y in counts.unique(dim=0).tolist():  # boxes of one count together
        rows = (counts == counts.new_tensor([x, y])).all(1).nonzero()[:, 0]
        cells[rows] = _read_cells(masks, index[rows], boxes[rows], size, (y, x))
    return cells


def _read_cells(
    masks: InstanceMasks, index: Tensor, boxes: Tensor, size: int, samples: tuple[int, int]
) -> Tensor:
    """`crop_and_resize` with one number of readings (down, across) for all boxes."""
    down, across = samples
    low_y, high_y, weight_low_y, weight_high_y = _taps(
        boxes[:, 1], boxes[:, 3] - boxes[:, 1], size * down, masks.height
    )
    low_x, high_x, weight_low_x, weight_high_x = _taps(
        boxes[:, 0], boxes[:, 2] - boxes[:, 0], size * across, masks.width
    )
    x1, y1, x2, y2 = masks.windows[index].unbind(1)
    offset = masks.offsets()[index]
    # One more zero at the end: readings outside the window go there.
    pixels = torch.cat([masks.pixels, masks.pixels.new_zeros(1)])
    grid = boxes.new_zeros(len(boxes), size * down, size * across)
    for y, weight_y in ((low_y, weight_low_y), (high_y, weight_high_y)):
        for x, weight_x in ((low_x, weight_low_x), (high_x, weight_high_x)):
            inside_y = (y >= y1[:, None]) & (y < y2[:, None])
            inside_x = (x >= x1[:, None]) & (x < x2[:, None])
            row = offset[:, None] + (y - y1[:, None]) * (x2 - x1)[:, None]
            place = row[:, :, None] + (x - x1[:, None])[:, None, :]  # (R, rows, columns)
            inside = inside_y[:, :, None] & inside_x[:, None, :]
            value = pixels[torch.where(inside, place, len(pixels) - 1)]
            grid += value * weight_y[:, :, None] * weight_x[:, None, :]
    cells = grid.view(-1, size, down, size, across).mean((2, 4))  # (R, size, size)
    return (cells >= 0.5).float()


def _hat_weights(start: float, length: float, first: int, last: int, size: int) -> Tensor:
    """Bilinear weights (last - first, size) that read `size` cells at whole pixels' centres."""
    centre = (torch.arange(first, last) + 0.5 - start) / max(length, 1e-6) * size - 0.5
    return (1 - (centre[:, None] - torch.arange(size)).abs()).clamp(min=0)


def paste(
    mask_probs: Tensor, boxes: Tensor, height: int, width: int, threshold: float = 0.5
) -> InstanceMasks:
    """Put predicted masks back into the picture.

    Args:
        mask_probs: (D, m, m) float32 in [0, 1], the mask inside each box; D may be 0.
        boxes: (D, 4) float32 xyxy, pixels of the picture pasted into.
        height: of that picture, pixels.
        width: of that picture, pixels.
        threshold: probability from which a pixel belongs to the object (paper: 0.5).

    Returns:
        D bitmaps on the CPU. Work and memory grow with the area of the boxes.
    """
    crops = []
    size = mask_probs.shape[-1]
    for probs, (x1, y1, x2, y2) in zip(mask_probs.float().cpu(), boxes.tolist(), strict=True):
        left, top = max(int(np.floor(x1)), 0), max(int(np.floor(y1)), 0)
        right, bottom = min(int(np.ceil(x2)), width), min(int(np.ceil(y2)), height)
        if right <= left or bottom <= top:
            crops.append(((0, 0, 0, 0), np.zeros((0, 0), np.uint8)))
            continue
        rows = _hat_weights(y1, y2 - y1, top, bottom, size)  # (h, m)
        columns = _hat_weights(x1, x2 - x1, left, right, size)  # (w, m)
        bitmap = (rows @ probs @ columns.T >= threshold).to(torch.uint8)  # (h, w)
        crops.append(((left, top, right, bottom), bitmap.numpy()))
    return InstanceMasks.from_crops(crops, height, width)


def encode_rle(masks: InstanceMasks) -> list[dict[str, Any]]:
    """COCO RLE of each object, `counts` as str, ready for json; N may be 0."""
    encoded = []
    starts = masks.offsets().tolist()
    pixels = masks.pixels.cpu().numpy()
    for start, (x1, y1, x2, y2) in zip(starts, masks.windows.tolist(), strict=True):
        picture = np.zeros((masks.height, masks.width), np.uint8, order="F")
        crop = pixels[start : start + (y2 - y1) * (x2 - x1)]
        picture[y1:y2, x1:x2] = crop.reshape(y2 - y1, x2 - x1)
        rle = coco_mask.encode(picture)
        encoded.append({"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")})
    return encoded
