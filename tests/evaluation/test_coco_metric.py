"""The registered metric from data samples to numbers, tables and files."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from mmengine.evaluator import Evaluator

from cascadekit.errors import InputError
from cascadekit.evaluation import coco_metric
from cascadekit.evaluation.coco_backends import BACKENDS
from cascadekit.evaluation.coco_metric import CocoMetric
from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Prediction,
    Targets,
    attach_predictions,
    make_data_sample,
)

TARGETS = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, 4))
NONE = torch.zeros(0, dtype=torch.long)
SQUARE = [10, 10, 60, 60]  # xyxy
POLYGON = [[10, 10, 60, 10, 60, 60, 10, 60]]
META = {"classes": ("cat", "dog")}


@pytest.fixture(autouse=True)
def logged(monkeypatch):
    """All that the metric logs."""
    texts = []
    monkeypatch.setattr(coco_metric, "print_log", lambda text, logger: texts.append(text))
    return texts


def detections(*boxes, label=0, score=0.9, masks=False):
    count = len(boxes)
    return Detections(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.full((count,), score),
        torch.full((count,), label),
        torch.arange(count),
        torch.ones(count, 14, 14) if masks else None,
    )


def instance(box=SQUARE, label=0, segmentation=POLYGON, **extra):
    area = (box[2] - box[0]) * (box[3] - box[1])
    record = {"bbox": box, "label": label, "area": area, "iscrowd": 0, "ignore": 0}
    return {**record, "segmentation": segmentation, **extra}


def sample(image_id, instances, found, variants=None):
    info = ImageInfo((200, 200), (100, 100), image_id, f"{image_id}.jpg")
    prediction = Prediction(info, found, (), variants or {})
    data_sample = make_data_sample(info, TARGETS, instances)
    return attach_predictions([data_sample], [prediction])[0]


def evaluate(samples, meta=META, **options):
    evaluator = Evaluator(CocoMetric(**options))
    evaluator.dataset_meta = meta
    for element in samples:
        evaluator.process([element])
    return evaluator.evaluate(len(samples))


def two_samples():
    """One cat each; stage 1 finds them with IoU 0.62, the last stage exactly."""
    rough, exact = detections([10, 10, 60, 41], masks=True), detections(SQUARE, masks=True)
    variants = {"1": rough, "2": exact, "1~2": exact}
    return [sample(i, [instance()], exact, variants) for i in (7, 3)]


def test_end_to_end(logged):
    numbers = evaluate(two_samples(), iou_types=("bbox", "segm"), classwise=True)
    for kind in ("bbox", "segm"):
        assert numbers[f"coco/{kind}_AP"] == pytest.approx(1.0)
        assert numbers[f"coco/{kind}_AP90"] == pytest.approx(1.0)
        assert numbers[f"coco/stage_2/{kind}_AP"] == numbers[f"coco/{kind}_AP"]
        # IoU 0.62 reaches the thresholds 0.50, 0.55 and 0.60.
        assert numbers[f"coco/stage_1/{kind}_AP"] == pytest.approx(0.3)
        assert numbers[f"coco/stage_1/{kind}_AP60"] == pytest.approx(1.0)
        assert numbers[f"coco/stage_1/{kind}_AP70"] == 0.0
        assert numbers[f"coco/class/cat/{kind}_AP"] == pytest.approx(1.0)
        assert math.isnan(numbers[f"coco/class/dog/{kind}_AP"])
    text = "\n".join(logged)
    assert "box AP by stage (%)" in text and "mask AP by stage (%)" in text
    assert "bbox AP by class (%)" in text
    assert "box average recall (%)" in text


def test_stage_table_can_be_left_out(logged):
    numbers = evaluate(two_samples(), stage_table=False)
    assert not any("stage" in name for name in numbers) and "by stage" not in "".join(logged)
    assert numbers["coco/bbox_AP"] == pytest.approx(1.0)


def test_files_are_coco_results(tmp_path):
    prefix = tmp_path / "new" / "out"
    numbers = evaluate(
        two_samples(),
        {**META, "category_ids": (5, 17)},
        iou_types=("bbox", "segm"),
        outfile_prefix=str(prefix),
    )
    names = sorted(path.name for path in prefix.parent.iterdir())
    assert names == ["out.bbox.json", "out.segm.json", "out.summary.json"]
    boxes = json.loads((prefix.parent / "out.bbox.json").read_text())
    assert boxes[0] == {
        "image_id": 7,
        "category_id": 5,
        "score": pytest.approx(0.9),
        "bbox": [10, 10, 50, 50],
    }
    masks = json.loads((prefix.parent / "out.segm.json").read_text())
    assert masks[1]["segmentation"]["size"] == [100, 100] and "bbox" not in masks[1]
    summary = json.loads((prefix.parent / "out.summary.json").read_text())
    assert summary["images"] == 2 and summary["detections"] == 2
    assert summary["classes"] == {"cat": 5, "dog": 17}
    assert summary["scores"]["bbox_AP"] == numbers["coco/bbox_AP"]
    assert summary["scores"]["bbox_AP_small"] is None  # json has no nan


def test_images_without_objects_or_detections(logged):
    empty = sample(0, [], detections())
    numbers = evaluate([empty], iou_types=("bbox", "segm"))
    assert math.isnan(numbers["coco/bbox_AP"]) and math.isnan(numbers["coco/segm_AP"])
    assert "no ground truth in 1 images" in logged[-1]
    numbers = evaluate([sample(0, [instance()], detections()), replace_id(empty, 1)])
    assert numbers["coco/bbox_AP"] == 0.0
    assert "no detections in 2 images" in logged[-1]


def replace_id(element, image_id):
    info = replace(element.prediction.info, image_id=image_id)
    element.set_field(replace(element.prediction, info=info), "prediction")
    return element


def test_ignored_and_maskless_objects_do_not_count():
    far = [70, 70, 90, 90]
    objects = [instance(), instance(far, ignore=1)]
    assert evaluate([sample(0, objects, detections(SQUARE))])["coco/bbox_AP"] == pytest.approx(1.0)
    objects = [instance(), instance(far, segmentation=None)]
    found = detections(SQUARE, masks=True)
    numbers = evaluate([sample(0, objects, found)], iou_types=("bbox", "segm"))
    # The maskless object is an object for boxes (one of two found) and none for masks.
    assert numbers["coco/bbox_AR100"] == 0.5
    assert numbers["coco/segm_AR100"] == 1.0


def test_what_is_kept_is_small_and_free_of_tensors():
    metric = CocoMetric(iou_types=("bbox", "segm"))
    exact = detections(SQUARE, masks=True)
    element = sample(0, [instance()], exact, {"1~3": exact})
    metric.process(None, [element.to_dict()])
    (record,) = metric.results
    assert b"torch" not in pickle.dumps(record)
    assert record.found["1~3"] is record.found["final"]


@pytest.mark.parametrize(
    "make, options, meta, message",
    [
        (lambda: {"img_id": 1}, {}, META, "needs a Prediction.*img_id"),
        (lambda: sample(1, [], detections(SQUARE)), {"iou_types": ["segm"]}, META, "have no masks"),
        (
            lambda: sample(1, [instance(segmentation=None)], detections()),
            {"iou_types": ["segm"]},
            META,
            "none of 1 objects has a segmentation",
        ),
        (lambda: sample(1, [], detections(SQUARE, label=2)), {}, META, "labels 2 to 2.*2 classes"),
        (lambda: sample(1, [instance(label=4)], detections()), {}, META, "ground truth have"),
        (lambda: sample(1, [], detections()), {}, {}, "must have 'classes'"),
    ],
)
def test_faults_are_named(make, options, meta, message):
    with pytest.raises(InputError, match=message):
        evaluate([make()], meta, **options)


def test_faulty_options_and_shared_ids():
    with pytest.raises(InputError, match="Did you mean 'bbox'"):
        CocoMetric(iou_types=("box",))
    with pytest.raises(InputError, match="two images have the id 4"):
        evaluate([sample(4, [], detections()), sample(4, [], detections())])


def test_sample_without_records_is_named():
    element = sample(1, [], detections()).to_dict()
    del element["instances"]
    with pytest.raises(InputError, match=r"1\.jpg has no `instances`"):
        CocoMetric().process(None, [element])


def test_back_ends_report_the_same():
    """Any back end that is here; a wrong name is refused at once."""
    own = pytest.approx(evaluate(two_samples(), iou_types=["bbox"]), nan_ok=True)
    for backend in BACKENDS:
        if find_spec(backend) is not None:
            assert evaluate(two_samples(), iou_types=["bbox"], backend=backend) == own
    with pytest.raises(InputError, match="backend must be one of"):
        CocoMetric(backend="cpp")
