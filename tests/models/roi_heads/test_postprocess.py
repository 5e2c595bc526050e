"""Detections by hand."""

import pytest
import torch

from cascadekit.models.roi_heads.postprocess import Postprocess
from cascadekit.models.roi_heads.predictions import first_detection
from cascadekit.structures.samples import ImageInfo

INFO = ImageInfo((100, 100), (100, 100))


def test_threshold_suppression_and_order():
    boxes = torch.tensor(
        [
            [0.0, 0, 10, 10],
            [0, 0, 10, 9],  # overlaps the first by 0.9
            [50, 50, 120, 60],  # leaves the picture
            [0, 0, 10, 10],
        ]
    )[:, None]
    scores = torch.tensor(  # two classes and background
        [[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.04, 0.01, 0.95]]
    )
    found = Postprocess(score_threshold=0.08, nms_iou=0.5)(boxes, scores, INFO)
    # Row 1 is suppressed for class 0 only: its class 1 has no better rival there.
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.roi_index.tolist() == [0, 2, 2, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.6, 0.3, 0.1]))
    assert found.boxes[1].tolist() == [50, 50, 100, 60]  # clipped
    assert len(Postprocess(score_threshold=0.08, max_detections=2)(boxes, scores, INFO)) == 2


def test_class_specific_boxes():
    boxes = torch.tensor([[[0.0, 0, 10, 10], [20, 20, 30, 30]]])  # one roi, a box per class
    found = Postprocess(score_threshold=0.1)(boxes, torch.tensor([[0.4, 0.5, 0.1]]), INFO)
    assert found.boxes.tolist() == [[20, 20, 30, 30], [0, 0, 10, 10]]


@pytest.mark.parametrize(
    "boxes",
    [
        torch.zeros(0, 1, 4),  # no rois
        torch.tensor([[[200.0, 200, 300, 300]]]),  # outside
        torch.tensor([[[float("nan")] * 4]]),
    ],
)
def test_nothing_found(boxes):
    scores = torch.full((len(boxes), 3), 0.33)
    assert len(Postprocess()(boxes, scores, INFO)) == 0


def test_first_detection():
    # Roi 3 became detections 0 and 2; the better one counts.
    assert first_detection(torch.tensor([3, 1, 3]), 5).tolist() == [-1, 1, -1, 0, -1]
    # Detection 0 came from none of these rois.
    assert first_detection(torch.tensor([-1, 1]), 3).tolist() == [-1, 1, -1]
    assert first_detection(torch.tensor([-1]), 0).tolist() == []
