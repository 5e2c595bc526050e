"""Detections on their way to other libraries."""

import sys

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from cascadekit.errors import InputError
from cascadekit.structures.masks import paste
from cascadekit.structures.samples import Detections

CLASSES = ("cat", "dog")


def found(masks=False, count=2):
    boxes = torch.tensor([[10.0, 20, 30, 60], [0, 0, 1, 1]])[:count]  # the second: one pixel
    index = torch.arange(count)
    probs = torch.ones(count, 4, 4) if masks else None
    return Detections(boxes, torch.tensor([0.9, 0.5])[:count], index, index, probs)


def test_coco():
    first, second = found().to_coco("7")
    assert first["bbox"] == [10, 20, 20, 40] and first["image_id"] == "7"
    assert (first["category_id"], first["score"]) == (0, pytest.approx(0.9))
    assert second["bbox"] == [0, 0, 1, 1] and "segmentation" not in second
    assert found(count=0).to_coco() == []


def test_coco_masks():
    first, second = found(masks=True).to_coco(size=(80, 100))
    assert first["segmentation"]["size"] == [80, 100]
    pasted = paste(found(masks=True).mask_probs, found().boxes, 80, 100).to_bitmaps()
    assert torch.equal(torch.from_numpy(coco_mask.decode(first["segmentation"])), pasted[0].byte())
    assert torch.equal(torch.from_numpy(coco_mask.decode(second["segmentation"])), pasted[1].byte())
    assert 600 < pasted[0].sum() <= 800  # most of 20 x 40 pixels
    assert found(masks=True, count=0).to_coco(size=(80, 100)) == []


def test_pandas():
    pytest.importorskip("pandas", reason="pandas is not installed")
    table = found().to_pandas(CLASSES)
    assert list(table.columns) == ["x1", "y1", "x2", "y2", "score", "label", "name"]
    assert table.loc[1].tolist() == [0, 0, 1, 1, 0.5, 1, "dog"]
    assert len(found(count=0).to_pandas(CLASSES)) == 0
    assert "name" not in found().to_pandas().columns


def test_supervision():
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    given = found(masks=True).to_supervision(CLASSES, size=(80, 100))
    assert isinstance(given, supervision.Detections) and len(given) == 2
    np.testing.assert_allclose(given.xyxy[0], [10, 20, 30, 60])
    assert given.data["class_name"].tolist() == ["cat", "dog"]
    pasted = paste(found(masks=True).mask_probs, found().boxes, 80, 100).to_bitmaps()
    np.testing.assert_array_equal(given.mask, pasted.numpy() > 0)
    assert given.class_id.tolist() == [0, 1]
    assert found().to_supervision().mask is None
    assert len(found(count=0).to_supervision(CLASSES)) == 0


@pytest.mark.parametrize("method", ["to_coco", "to_supervision"])
def test_masks_need_a_size(method):
    with pytest.raises(InputError, match=r"give size=\(height, width\)"):
        getattr(found(masks=True), method)()


@pytest.mark.parametrize("name", ["pandas", "supervision"])
def test_a_library_that_is_not_there(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=f"{name} is not installed: pip install {name}"):
        getattr(found(), f"to_{name}")()
