"""Masks: drawn, cropped, pasted and encoded on cases small enough to check by hand."""

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from torchvision.ops import roi_align

from cascadekit.structures.masks import (
    InstanceMasks,
    crop_and_resize,
    encode_rle,
    paste,
    rasterise,
)


def test_rasterise_equals_drawing_on_the_whole_picture():
    generator = np.random.default_rng(0)
    for _ in range(20):
        polygon = (generator.random((5, 2)) * (60, 40) - 5).ravel().tolist()
        whole = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([polygon], 40, 60)))
        (x1, y1, x2, y2), crop = rasterise([polygon], 40, 60)
        placed = np.zeros_like(whole)
        placed[y1:y2, x1:x2] = crop
        # Clipping at a shifted border may move an edge pixel of polygons that leave the picture.
        assert (placed != whole).sum() <= 3


def test_rasterise_rectangle_is_exact():
    window, crop = rasterise([[2, 3, 7, 3, 7, 9, 2, 9]], 20, 20)
    full = np.zeros((20, 20), np.uint8)
    full[window[1] : window[3], window[0] : window[2]] = crop
    expected = np.zeros((20, 20), np.uint8)
    expected[3:9, 2:7] = 1
    assert (full == expected).all()


@pytest.mark.parametrize("counts", ["list", "bytes", "text"])
def test_rasterise_rle(counts):
    bitmap = np.zeros((6, 8), np.uint8, order="F")
    bitmap[2:5, 3:7] = 1
    rle = coco_mask.encode(bitmap)
    if counts == "text":
        rle["counts"] = rle["counts"].decode()
    if counts == "list":  # column by column: 3 empty columns of 6, then 2 empty, 3 full, ...
        rle = {"size": [6, 8], "counts": [20, 3, 3, 3, 3, 3, 3, 3, 7]}
    window, crop = rasterise(rle, 6, 8)
    assert window == (3, 2, 7, 5)
    assert crop.shape == (3, 4) and crop.all()


@pytest.mark.parametrize(
    "polygons",
    [
        [],  # nothing
        [[1, 1, 2, 2]],  # a line
        [[-9, -9, -5, -9, -5, -5]],  # outside
    ],
)
def test_rasterise_nothing(polygons):
    window, crop = rasterise(polygons, 10, 10)
    assert (window[2] - window[0]) * (window[3] - window[1]) == crop.size == 0


def test_windows_round_trip():
    bitmaps = torch.zeros(2, 5, 6, dtype=torch.uint8)
    bitmaps[0, 1:3, 2:4] = 1
    bitmaps[1, 4, 5] = 1
    crops = [((2, 1, 4, 3), np.ones((2, 2))), ((5, 4, 6, 5), np.ones((1, 1)))]
    assert torch.equal(InstanceMasks.from_crops(crops, 5, 6).to_bitmaps(), bitmaps)
    assert torch.equal(InstanceMasks.from_bitmaps(bitmaps).to_bitmaps(), bitmaps)
    assert len(InstanceMasks.from_crops([], 5, 6).to_bitmaps()) == 0


@pytest.mark.parametrize("samples", [2, 0])  # 0: as many readings as pixels
def test_crop_and_resize_equals_roi_align_of_the_bitmaps(samples):
    generator = torch.Generator().manual_seed(0)
    bitmaps = torch.zeros(3, 40, 50, dtype=torch.uint8)
    crops = []
    for number, (x1, y1, x2, y2) in enumerate([(0, 0, 20, 30), (10, 5, 50, 40), (30, 30, 31, 31)]):
        crop = (torch.rand(y2 - y1, x2 - x1, generator=generator) > 0.4).to(torch.uint8)
        bitmaps[number, y1:y2, x1:x2] = crop
        crops.append(((x1, y1, x2, y2), crop.numpy()))
    rois = torch.rand(40, 4, generator=generator) * 30 - 3
    rois[:, 2:] += rois[:, :2] + torch.rand(40, 2, generator=generator) * 20
    rois[:, 2:] = torch.maximum(rois[:, 2:], rois[:, :2] + 1)  # at least a pixel
    rois[0] = torch.tensor([-5.0, -5.0, 60.0, 60.0])
    index = torch.arange(40) % 3
    reference = roi_align(
        bitmaps[:, None].float(),
        torch.cat([index[:, None], rois], 1),
        14,
        1.0,
        samples,
        aligned=True,
    )[:, 0]
    ours = crop_and_resize(InstanceMasks.from_crops(crops, 40, 50), index, rois, 14, samples)
    clear = (reference - 0.5).abs() > 1e-5  # ties may fall either way
    assert torch.equal(ours[clear] > 0, reference[clear] >= 0.5)


def test_crop_and_resize_of_nothing():
    masks = InstanceMasks.from_crops([], 8, 8)
    none = torch.zeros(0, dtype=torch.long)
    assert crop_and_resize(masks, none, torch.zeros(0, 4), 28).shape == (0, 28, 28)
    assert crop_and_resize(masks, none, torch.zeros(0, 4), 28, 0).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((2, 3, 6, 7), (2, 3, 6, 7)),  # a full mask fills its box
        ((-4, -4, 4, 4), (0, 0, 4, 4)),  # cut at the border
        ((4, 4, 5, 5), (4, 4, 5, 5)),  # one pixel
    ],
)
def test_paste_full_mask(box, expected):
    pasted = paste(torch.ones(1, 28, 28), torch.tensor([box], dtype=torch.float32), 10, 12)
    bitmap = pasted.to_bitmaps()[0]
    x1, y1, x2, y2 = expected
    assert bitmap[y1:y2, x1:x2].all()
    assert bitmap.sum() == (x2 - x1) * (y2 - y1)


def test_paste_half_mask_outside_and_none():
    probs = torch.zeros(2, 28, 28)
    probs[0, :, 14:] = 1
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0], [20.0, 20.0, 30.0, 30.0]])
    pasted = paste(probs, boxes, 10, 10).to_bitmaps()
    assert pasted[0, :8, 4:8].all() and pasted[0].sum() == 32
    assert pasted[1].sum() == 0  # outside the picture
    assert len(paste(torch.zeros(0, 28, 28), torch.zeros(0, 4), 10, 10)) == 0


def test_encode_equals_pycocotools():
    bitmaps = torch.zeros(2, 7, 9, dtype=torch.uint8)
    bitmaps[0, 2:5, 3:8] = 1
    for rle, bitmap in zip(encode_rle(InstanceMasks.from_bitmaps(bitmaps)), bitmaps, strict=True):
        reference = coco_mask.encode(np.asfortranarray(bitmap.numpy()))
        assert rle == {"size": [7, 9], "counts": reference["counts"].decode()}
