"""The registered metrics of the other benchmarks, from data samples to numbers and files."""

from __future__ import annotations

import json
import math
import pickle

import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation import metric_records
from cascadekit.registry import METRICS
from tests.evaluation.makers import detections, evaluate, evaluate_apart, sample, stage

CAR = {"names": ["Car"], "boxes": [[10, 10, 60, 60]], "truncated": [0.0], "occluded": [0]}
NO_CAR = {"names": [], "boxes": [], "truncated": [], "occluded": []}
WALKER = {"boxes_xywh": [[10, 10, 30, 60]], "visible": [1.0], "ignored": [False]}
NO_WALKER = {"boxes_xywh": [], "visible": [], "ignored": []}
FACE = {"boxes_xywh": [[10, 10, 30, 30]], "easy": [True], "medium": [True], "hard": [True]}
NO_FACE = {"boxes_xywh": [[0, 0, 0, 0]], "easy": [False], "medium": [False], "hard": [False]}
CAT = {"names": ["cat"], "boxes": [[11, 11, 60, 60]], "difficult": [False]}
NO_CAT = {"names": [], "boxes": [], "difficult": []}


@pytest.fixture(autouse=True)
def logged(monkeypatch):
    """All that a metric logs."""
    texts = []
    monkeypatch.setattr(metric_records, "print_log", lambda text, logger: texts.append(text))
    return texts


# name: config, classes, rows of one object, rows of none, a detection of it, a figure, its value
# with the object of the first image found and that of the third not
CASES = {
    "kitti": (
        dict(type="cascadekit.KittiMetric"),
        ("Car", "Van"),
        CAR,
        NO_CAR,
        (10, 10, 60, 60, 0.9, 0),
        # One of two found, so one score, whose recall is the first of eleven points.
        ("kitti/AP11_car_easy", 1 / 11),
    ),
    "citypersons": (
        dict(type="cascadekit.CityPersonsMetric"),
        ("rider", "pedestrian"),
        WALKER,
        NO_WALKER,
        (10, 10, 40, 70, 0.9, 1),
        ("citypersons/MR50_Reasonable", 0.5),
    ),
    "widerface": (
        dict(type="cascadekit.WiderFaceMetric"),
        ("face",),
        FACE,
        NO_FACE,
        (10, 10, 40, 40, 0.9, 0),
        ("widerface/AP50_hard", 0.5),
    ),
    "voc": (
        dict(type="cascadekit.VocMetric", classwise=True),
        ("cat", "dog"),
        CAT,
        NO_CAT,
        (10, 10, 60, 60, 0.9, 0),
        ("voc/AP50_VOC10", 0.5),
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def three(case):
    """Found, nothing there and nothing found, not found."""
    _, _, rows, none, hit, _ = case
    return [
        sample(7, detections(hit), devkit=rows),
        sample(3, detections(), devkit=none),
        sample(5, detections(), devkit=rows),
    ]


def test_one_of_two_objects_is_found(case, logged):
    config, classes, _, _, _, (name, value) = case
    figures = evaluate(METRICS.build(config), three(case), classes)
    assert figures[name] == pytest.approx(value)
    assert f"{100 * value:.2f}" in logged[0]


def test_two_processes_report_the_same(case):
    config, classes, *_ = case
    samples = three(case)
    own = evaluate(METRICS.build(config), samples, classes)
    apart = evaluate_apart(lambda: METRICS.build(config), samples, classes)
    assert apart == pytest.approx(own, nan_ok=True)
    metric = METRICS.build(config)
    metric.process(None, [s.to_dict() for s in samples])
    assert len(pickle.loads(pickle.dumps(metric.results))) == 3  # they travel between processes


def test_without_objects_or_images(case):
    config, classes, _, none, hit, (name, _) = case
    nothing_there = evaluate(
        METRICS.build(config), [sample(1, detections(hit), devkit=none)], classes
    )
    assert math.isnan(nothing_there[name])
    metric = METRICS.build(config)
    metric.dataset_meta = {"classes": classes}
    assert math.isnan(metric.compute_metrics([])[name.split("/")[1]])


def test_without_detections(case):
    """Nothing found: AP 0, miss rate 1."""
    config, classes, rows, _, _, (name, _) = case
    figures = evaluate(METRICS.build(config), [sample(1, detections(), devkit=rows)], classes)
    assert figures[name] == (1 if "MR" in name else 0)


def test_stages_are_scored_apart(case, tmp_path):
    config, classes, rows, _, hit, (name, _) = case
    away = (300, 100, 340, 180, 0.8, hit[5])
    variants = {"1": detections(away), "1~3": detections(hit)}
    samples = [sample(k, detections(hit), devkit=rows, variants=variants) for k in range(2)]
    metric = METRICS.build({**config, "stage_table": True, "outfile_prefix": str(tmp_path / "out")})
    figures = evaluate(metric, samples, classes)
    prefix, figure = name.split("/")
    assert figures[f"{prefix}/stage_1~3/{figure}"] == figures[name]
    assert figures[f"{prefix}/stage_1/{figure}"] == (1 if prefix == "citypersons" else 0)
    written = json.loads((tmp_path / f"out.{prefix}.json").read_text())
    assert (written["images"], written["boxes"]) == (2, 2)
    assert written["scores"][figure] == pytest.approx(figures[name])
    assert METRICS.build(config).stage_table is False


def test_faults(case):
    config, classes, rows, none, hit, (name, _) = case
    with pytest.raises(InputError, match="Metric needs a Prediction"):
        METRICS.build(config).process(None, [{"img_id": 1}])
    twice = [sample(1, detections(), devkit=none), sample(1, detections(hit), devkit=rows)]
    with pytest.raises(InputError, match="two images have the id 1"):
        evaluate(METRICS.build(config), twice, classes)
    with pytest.raises(InputError, match="needs the class names"):
        evaluate(METRICS.build(config), twice[:1], ())
    beyond = sample(1, detections((*hit[:5], 4)), devkit=rows)
    with pytest.raises(InputError, match="labels 4 to 4, but the data set has"):
        evaluate(METRICS.build(config), [beyond], classes)
    if "voc" not in name:  # VOC reads any data set's records
        for devkit in (None, {"something": []}):
            with pytest.raises(InputError, match=r"test_mode=True.*convert-dataset"):
                evaluate(METRICS.build(config), [sample(1, detections(), devkit=devkit)], classes)


def test_one_class_may_be_called_otherwise():
    found = detections((10, 10, 40, 70, 0.9, 0))
    samples = [sample(1, found, devkit=WALKER)]
    figures = evaluate(METRICS.build(CASES["citypersons"][0]), samples, ("person",))
    assert figures["citypersons/MR50_Reasonable"] == 0
    with pytest.raises(InputError, match="looks at the class 'pedestrian'"):
        evaluate(METRICS.build(CASES["citypersons"][0]), samples, ("person", "rider"))


def test_other_classes_of_a_benchmark_of_one():
    """A rider's box on the pedestrian neither finds it nor is a false alarm."""
    found = detections((10, 10, 40, 70, 0.9, 0))
    figures = evaluate(
        METRICS.build(CASES["citypersons"][0]),
        [sample(1, found, devkit=WALKER)],
        ("rider", "pedestrian"),
    )
    assert figures["citypersons/MR50_Reasonable"] == 1


def test_low_boxes_of_other_kitti_classes_take_part():
    """Height 39 is low at easy: the van's box takes the car, which is neither found nor missed."""
    low = dict(CAR, boxes=[[10, 10, 60, 51]])
    found = detections((10, 10, 60, 49, 0.9, 1))
    samples = [
        sample(1, found, devkit=low),
        sample(2, detections((10, 10, 60, 60, 0.8, 0)), devkit=CAR),
    ]
    figures = evaluate(METRICS.build(CASES["kitti"][0]), samples, ("Car", "Van"))
    without = evaluate(
        METRICS.build(dict(type="cascadekit.KittiMetric", devkit="2012")), samples, ("Car", "Van")
    )
    assert figures["kitti/AP11_car_easy"] == without["kitti/AP11_car_easy"] == pytest.approx(1 / 11)
    with pytest.raises(InputError, match="devkit must be one of"):
        METRICS.build(dict(type="cascadekit.KittiMetric", devkit="2018"))


def record(box, label=0, **extra):
    return {"bbox": box, "label": label, "area": 100.0, "iscrowd": 0, "ignore": 0, **extra}


def test_voc_of_any_data_set():
    """Records in place of the xml's rows: pixels from 0, crowds and ignored ones are difficult."""
    instances = [record([10, 10, 60, 60]), record([200, 10, 260, 60], ignore=1)]
    found = detections((10, 10, 60, 60, 0.9, 0), (200, 10, 260, 60, 0.95, 0))
    figures = evaluate(
        METRICS.build(dict(type="cascadekit.VocMetric", classwise=True)),
        [sample(1, found, instances)],
        ("cat", "dog"),
    )
    assert figures["voc/AP50_VOC07"] == figures["voc/AP50_VOC10"] == 1
    assert figures["voc/coco/AP"] == pytest.approx(1)
    assert figures["voc/class/cat/AP50_VOC07"] == 1
    assert math.isnan(figures["voc/class/dog/AP50_VOC07"])
    with pytest.raises(InputError, match="neither `devkit` nor `instances`"):
        METRICS.build(dict(type="cascadekit.VocMetric")).process(
            None, [{**sample(1, found).to_dict(), "instances": None}]
        )


def test_voc_boxes_keep_their_last_pixel():
    """Xml 11..60 is 10..60 of ours: IoU of both conventions is 1, so COCO's AP95 is too."""
    samples = [sample(1, detections((10, 10, 60, 60, 0.9, 0)), devkit=CAT)]
    figures = evaluate(METRICS.build(dict(type="cascadekit.VocMetric")), samples, ("cat",))
    assert figures["voc/coco/AP95"] == pytest.approx(1)


def test_objects_of_classes_that_are_not_there_are_left_out():
    rows = {"names": ["cow", "cat"], "boxes": [[1, 1, 9, 9], [11, 11, 60, 60]]}
    samples = [
        sample(1, detections((10, 10, 60, 60, 0.9, 0)), devkit={**rows, "difficult": [0, 0]})
    ]
    figures = evaluate(METRICS.build(dict(type="cascadekit.VocMetric")), samples, ("cat",))
    assert figures["voc/AP50_VOC10"] == 1


def test_recall_of_every_stage():
    """The object is in the third box; stage 2 ranks it first, since stage 1's head is surest."""
    truth, away = [10, 10, 42, 42], [100, 100, 140, 140]
    rois = [away, [150, 20, 190, 60], [10, 10, 42, 26]]  # the third covers half of the object
    refined = [away, [150, 20, 190, 60], truth]
    stages = [stage(rois, refined, [0.1, 0.2, 0.9]), stage(refined, refined, [0.3, 0.9, 0.1])]
    crowd = record([100, 100, 140, 140], iscrowd=1)
    samples = [
        sample(1, detections(), [record(truth, area=1024.0), crowd], stages=stages),
        sample(2, detections(), [], stages=[]),
    ]
    metric = METRICS.build(dict(type="cascadekit.ProposalRecallMetric", limits=(2, 100)))
    figures = evaluate(metric, samples, ("cat",))
    assert figures["proposals/stage_1/AR2"] == 0
    assert figures["proposals/stage_1/AR100"] == pytest.approx(0.1)  # at IoU 0.5 only
    assert figures["proposals/stage_2/AR2"] == 1
    assert figures["proposals/output/AR2"] == 0  # the last head ranks it third
    assert figures["proposals/output/AR100"] == 1
    # an area of 32^2 is small and medium
    assert figures["proposals/output/AR100_small"] == figures["proposals/output/AR100_medium"] == 1
    assert math.isnan(figures["proposals/output/AR100_large"])
    only = METRICS.build(dict(type="cascadekit.ProposalRecallMetric", stage_table=False))
    assert {name.split("/")[1] for name in evaluate(only, samples, ("cat",))} == {"stage_1"}


def test_recall_from_two_processes_and_faults():
    box = [10, 10, 42, 42]
    samples = [
        sample(k, detections(), [record(box)], stages=[stage([box], [box], [0.5])])
        for k in range(3)
    ]

    def make():
        return METRICS.build(dict(type="cascadekit.ProposalRecallMetric"))

    own = evaluate(make(), samples, ("cat",))
    assert evaluate_apart(make, samples, ("cat",)) == pytest.approx(own, nan_ok=True)
    assert own["proposals/stage_1/AR1000"] == 1
    with pytest.raises(InputError, match="limits must be positive"):
        METRICS.build(dict(type="cascadekit.ProposalRecallMetric", limits=(0,)))
    with pytest.raises(InputError, match="has no `instances`"):
        make().process(None, [{**samples[0].to_dict(), "instances": None}])
