"""What the instruments read."""

import pytest
import torch

from cascadekit.evaluation.coco_ap import evaluate_coco
from cascadekit.quality.records import best_objects, to_results
from tests.quality import makers


def test_counted():
    truth = makers.truth([[0, 0, 10, 10], [0, 0, 20, 20]], labels=[0, 1], ignored=[True, False])
    assert truth.counted().labels.tolist() == [1]


def test_best_objects():
    truth = makers.truth([[0, 0, 10, 10], [50, 50, 60, 60]])
    boxes = makers.boxes_of([[50, 50, 60, 55], [0, 0, 1, 1], [80, 80, 90, 90]])
    ious, rows = best_objects(boxes, truth)
    # half of the second object; one pixel of the first one's hundred; nothing
    torch.testing.assert_close(ious, torch.tensor([0.5, 0.01, 0.0]))
    assert rows.tolist()[:2] == [1, 0]


def test_best_objects_without_objects():
    ious, rows = best_objects(makers.boxes_of([[0, 0, 1, 1]]), makers.truth())
    assert ious.tolist() == [0.0] and rows.tolist() == [-1]
    # an ignored object is none
    ious, rows = best_objects(
        makers.boxes_of([[0, 0, 1, 1]]), makers.truth([[0, 0, 1, 1]], crowd=[True])
    )
    assert ious.tolist() == [0.0] and rows.tolist() == [-1]


def test_ground_truth_and_results_are_coco():
    record = makers.image(
        makers.truth([[10, 10, 50, 50], [60, 60, 90, 90]], crowd=[False, True]),
        detections={"1": makers.found([[10, 10, 50, 50]])},
    )
    recording = makers.recording([record, makers.image()])
    results = to_results(0, record.detections["1"])
    scores = evaluate_coco(recording.ground_truth(), results)
    assert scores.ap == pytest.approx(1)  # the crowd does not count
    assert recording.num_stages == 0
    assert makers.recording().num_stages == 0
