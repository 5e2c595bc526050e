"""Soft-NMS with the same boxes as mmdetection 3.3's, whose kernel is mmcv's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cascadekit.models.roi_heads.postprocess import Postprocess
from cascadekit.models.roi_heads.suppression import soft_nms
from cascadekit.structures.samples import ImageInfo

pytestmark = pytest.mark.mmdet

SIZE = (120, 160)  # height, width


def heaps(count: int) -> Tensor:
    """(count, 4) boxes inside the picture, in heaps, so that many overlap."""
    centre = torch.tensor([[30.0, 30], [110, 40], [60, 90], [130, 95]])[torch.arange(count) % 4]
    half = 8 + 12 * torch.rand(count, 2)
    centre = centre + 6 * (torch.rand(count, 2) - 0.5)
    return torch.cat([centre - half, centre + half], 1)


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize(("threshold", "sigma"), [(0.3, 0.5), (0.6, 0.2)])
def test_soft_nms(mmdet, compare, method, threshold, sigma):
    from mmcv.ops import soft_nms as theirs

    boxes, scores = heaps(200), torch.rand(200) * 0.9 + 0.1
    settings = {"sigma": sigma, "min_score": 0.01}
    dets, rows = theirs(boxes, scores, iou_threshold=threshold, method=method, **settings)
    one = torch.zeros(200, dtype=torch.int64)
    found, lowered = soft_nms(boxes, scores, one, method, threshold, **settings)
    assert 10 < len(found) <= 200
    assert sorted(found.tolist()) == sorted(rows.tolist())
    # By row: scores that are almost equal may change places.
    compare(f"soft-NMS, {method}", lowered[found.argsort()], dets[:, 4][rows.argsort()])
    compare(f"soft-NMS, {method}, in order", lowered, dets[:, 4])


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize("agnostic", [True, False])
def test_choice_of_detections(mmdet, compare, method, agnostic):
    classes, rois = 5, 150
    boxes = torch.stack([heaps(rois) for _ in range(1 if agnostic else classes)], 1)
    scores = (2 * torch.randn(rois, classes + 1)).softmax(1)
    ours = Postprocess(0.05, 0.5, 100, nms=method)(boxes, scores, ImageInfo(SIZE, SIZE))
    config = mmdet.config(type="soft_nms", iou_threshold=0.5, method=method, min_score=0.001)
    dets, labels = mmdet.nms.multiclass_nms(boxes.flatten(1), scores, 0.05, config, 100)
    assert len(dets) == 100
    assert ours.labels.tolist() == labels.tolist()
    compare(f"choice of detections, {method} soft-NMS, boxes", ours.boxes, dets[:, :4])
    compare(f"choice of detections, {method} soft-NMS, scores", ours.scores, dets[:, 4])
