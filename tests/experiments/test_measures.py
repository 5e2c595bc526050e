"""What measures give of hand-made recordings; whole detectors are in test_reproduce.py."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cascadekit.experiments import measures
from cascadekit.experiments.measured_pictures import some_pictures
from cascadekit.experiments.measures import MEASURES, Subject
from cascadekit.experiments.results import number_at
from cascadekit.quality.tables import as_json
from tests.quality import makers

OBJECT = [10, 10, 30, 30]
LOOSE = [10, 10, 30, 40]  # IoU 2/3 with the object
OFF = [60, 60, 90, 90]


def subject(recording=None, samples=None, cascade=None):
    """A subject whose recordings are given; no detector is behind it."""
    made = Subject("x", None, None, cascade)
    if recording is not None:
        made.__dict__["recording"] = recording
    if samples is not None:
        made.__dict__["samples"] = samples
    return made


def two_stages():
    """One picture: the first stage leaves the box loose, the second makes it tight."""
    sure = {0: [[5.0, 0.0]], 1: [[5.0, 0.0]]}
    first = makers.stage([LOOSE], [LOOSE], logits=sure, boxes={1: [[OBJECT]]})
    second = makers.stage([LOOSE], [OBJECT], logits=sure, boxes={0: [[LOOSE]]}, head=1)
    detections = {"1": makers.found([LOOSE]), "1~2": makers.found([OBJECT])}
    picture = makers.image(makers.truth([OBJECT]), [first, second], detections)
    return makers.recording([picture], ious=(0.5, 0.6), final="1~2")


def test_localisation():
    found = as_json(MEASURES["localisation"](subject(two_stages())))
    assert set(found) == {"stage1", "stage2"}
    # 2/3 falls into the bin from 0.65 to 0.7
    place = found["stage1"]["count"].index(1)
    assert found["stage1"]["edges"][place] == pytest.approx(0.65)
    assert found["stage1"]["mean"][place] == pytest.approx(2 / 3)
    assert found["stage2"]["mean"][place] == pytest.approx(1.0)
    assert found["stage2"]["u"] == 0.6 and found["stage1"]["share_worse"] == 0


def test_loss_by_iou():
    found = as_json(MEASURES["loss_by_iou"](subject(two_stages())))
    assert found["stage1"]["mean_loss"] == pytest.approx(math.log(1 + math.exp(-5)), rel=1e-4)


def test_recall():
    found = as_json(MEASURES["recall"](subject(two_stages())))
    assert set(found) == {"stage1", "stage2", "output"}
    assert found["stage1"]["AR1000"] == pytest.approx(0.4)  # .5, .55, .6, .65 of ten thresholds
    assert found["output"]["AR100"] == 1.0 and found["output"]["AR1000_medium"] is None


def test_matrix():
    found = as_json(MEASURES["matrix"](subject(two_stages())))
    assert found["regressor"] == "stage" and found["by_head"]["regressor"] == "head"
    for stage, loose in ((1, True), (2, False)):
        for head in (1, 2):
            ap = number_at(found, f"stage{stage}/head{head}/AP", "it")
            assert ap == pytest.approx(0.4 if loose else 1.0)
    # By the scoring head's own regressor it is the other way round off the diagonal.
    assert number_at(found["by_head"], "stage1/head2/AP", "it") == pytest.approx(1.0)
    assert number_at(found["by_head"], "stage2/head1/AP", "it") == pytest.approx(0.4)


def test_errors():
    found = as_json(MEASURES["errors"](subject(two_stages())))
    assert found["final"] == "1~2" and found["num_objects"] == 1


def test_samples():
    stage = makers.samples(
        [0.55, 0.65, 0.75, 0.2, 1.0],
        from_gt=[False, False, False, False, True],
        deltas=[[0.1, 0, 0, 0], [0.2, 0, 0, 0], [0.3, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    )
    recording = makers.sample_recording([stage], num_images=2)
    found = as_json(MEASURES["samples"](subject(samples=recording)))["stage1"]
    assert found["u"] == 0.5 and found["num_samples"] == 4  # without the copy of the truth
    assert [found[f"share{p}"] for p in (50, 60, 70)] == [0.75, 0.5, 0.25]
    assert found["positives_per_image"] == 1.5
    assert found["mean"][0] == pytest.approx(0.2) and found["std"][0] == pytest.approx(0.1)
    assert sum(found["histogram"]) == 3 and len(found["edges"]) == len(found["histogram"]) + 1


def test_swap_starts_from_other_boxes(monkeypatch):
    own, cascade = two_stages(), two_stages()
    seen = []

    def record(detector, loader, *, proposals, all_heads):
        seen.append((proposals.name, len(proposals), all_heads))
        return own

    monkeypatch.setattr(measures, "record_stages", record)
    monkeypatch.setattr(measures, "open_loader", lambda config: None)
    made = subject(own, cascade=subject(cascade))
    made.__dict__["detector"] = None
    found = as_json(MEASURES["swap"](made))
    assert set(found) == {"rpn", "rpn+gt", "cascade2"}
    assert found["rpn"]["AP"] == pytest.approx(1.0)
    assert len(seen) == 2 and all(count == 1 and not heads for _, count, heads in seen)
    assert "ground truth" in seen[0][0] and seen[1][0] != seen[0][0]


def test_scores_get_nested_keys(monkeypatch):
    flat = {"coco/bbox_AP": 0.5, "coco/bbox_AP_small": 0.1, "coco/segm_AP50": 0.4}
    flat |= {"coco/stage_1/bbox_AP": 0.3, "coco/stage_1~2/bbox_AP90": 0.2}
    monkeypatch.setattr(measures, "evaluate", lambda *args, **kwargs: flat)
    assert MEASURES["scores"](subject()) == {
        "final": {"bbox": {"AP": 0.5, "AP_small": 0.1}, "segm": {"AP50": 0.4}},
        "1": {"bbox": {"AP": 0.3}},
        "1~2": {"bbox": {"AP90": 0.2}},
    }


@pytest.mark.parametrize("measure", ["localisation", "loss_by_iou", "recall", "matrix", "pictures"])
def test_no_pictures(measure):
    found = as_json(MEASURES[measure](subject(makers.recording([]))))
    assert not found or set(found) <= {"regressor", "by_head"}


def test_pictures_are_chosen_by_their_truth(tmp_path):
    def picture(name, objects, found=()):
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), np.full((640, 320, 3), 90, np.uint8))
        boxes = makers.found(found, [0.9] * len(found))
        record = makers.image(makers.truth(objects), (), {"1": boxes})
        return replace(record, info=replace(record.info, path=str(path)))

    recording = makers.recording(
        [picture("none", []), picture("many", [OBJECT] * 7), picture("one", [OBJECT], [LOOSE])]
    )
    (shown,) = some_pictures(recording)
    assert shown["size"] == [320, 160]  # half
    assert shown["truth"] == [{"box": [5, 5, 15, 15], "label": "thing"}]
    (found,) = shown["found"]
    assert found["box"] == [5, 5, 15, 20] and found["score"] == 0.9
    assert found["iou"] == pytest.approx(2 / 3, abs=1e-4)
    assert len(some_pictures(recording, least_score=0.95)[0]["found"]) == 0
