"""COCO scores against the official figures and against cases worked out by hand."""

from __future__ import annotations

import copy
import json
import math
import random
from pathlib import Path

import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import THRESHOLDS, evaluate_coco

# pycocotools adds the smallest float to each denominator, so a perfect score is not quite 1.
ONE = pytest.approx(1.0, abs=1e-9)
OFFICIAL = Path(__file__).parents[2] / "../shared/data/coco_eval"


def truth(*boxes, images=1, **extra):
    """One class; each box is (image, [x, y, w, h], keys...) with everything else usual."""
    annotations = [
        {"id": i, "image_id": image, "category_id": 0, "bbox": box, **(keys[0] if keys else {})}
        for i, (image, box, *keys) in enumerate(boxes)
    ]
    return {
        "images": [{"id": i, "height": 200, "width": 200} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": 0, "name": "thing"}],
        **extra,
    }


def found(*detections):
    """Each detection is (image, [x, y, w, h], score)."""
    return [
        {"image_id": image, "category_id": 0, "bbox": box, "score": score}
        for image, box, score in detections
    ]


A, B, AWAY = [10, 10, 50, 50], [120, 120, 50, 50], [10, 120, 50, 50]
IGNORE, CROWD = {"ignore": 1}, {"iscrowd": 1}


@pytest.mark.parametrize(
    "boxes, detections, ap",
    [
        # One object found perfectly.
        ([(0, A)], [(0, A, 0.9)], 1.0),
        # A duplicate ranks below: full recall is reached before it.
        ([(0, A)], [(0, A, 0.9), (0, A, 0.8)], 1.0),
        # A false positive ranks above: precision 1/2 at every recall.
        ([(0, A)], [(0, A, 0.8), (0, AWAY, 0.9)], 0.5),
        # The first of two objects only: precision 1 at recalls 0 ... 0.50, 51 of 101 points.
        ([(0, A), (0, B)], [(0, A, 0.9)], 51 / 101),
        # Hit, miss, hit: 51 points at 1 and 50 points at 2/3.
        (
            [(0, A), (0, B)],
            [(0, A, 0.9), (0, AWAY, 0.8), (0, B, 0.7)],
            (51 + 50 * 2 / 3) / 101,
        ),
        # Nothing found.
        ([(0, A)], [], 0.0),
        # The right box on the wrong image.
        ([(0, A)], [(1, A, 0.9)], 0.0),
        # An ignored object that is missed does not count,
        ([(0, A), (0, B, IGNORE)], [(0, A, 0.9)], 1.0),
        # nor does finding it hurt, even ranked first;
        ([(0, A), (0, B, IGNORE)], [(0, A, 0.8), (0, B, 0.9)], 1.0),
        # but it absorbs one detection, not two: a false positive above the hit.
        ([(0, A), (0, B, IGNORE)], [(0, A, 0.7), (0, B, 0.9), (0, B, 0.8)], 0.5),
        # A crowd absorbs any number, by the share of the detection that it covers.
        (
            [(0, A), (0, [100, 100, 90, 90], CROWD)],
            [(0, A, 0.7), (0, [110, 110, 20, 20], 0.9), (0, [150, 150, 20, 20], 0.8)],
            1.0,
        ),
        # One-pixel object.
        ([(0, [5, 5, 1, 1])], [(0, [5, 5, 1, 1], 0.9)], 1.0),
    ],
)
def test_hand_worked(boxes, detections, ap):
    scores = evaluate_coco(truth(*boxes, images=2), found(*detections))
    assert scores.ap == pytest.approx(ap, abs=1e-9)


def test_each_threshold_by_its_place():
    # 100 x 100 found as 100 x 92: IoU 0.92 passes 0.50 ... 0.90 and fails 0.95.
    scores = evaluate_coco(truth((0, [0, 0, 100, 100])), found((0, [0, 0, 100, 92], 0.9)))
    assert scores.ap_by_threshold == pytest.approx((*[1.0] * 9, 0.0))
    assert [scores.ap_at(p) for p in (50, 90, 95)] == [ONE, ONE, 0.0]
    assert scores.ap == pytest.approx(0.9)
    assert scores.as_dict()["AP90"] == ONE
    with pytest.raises(InputError, match="not at 72"):
        scores.ap_at(72)


def test_iou_just_below_ninety():
    # IoU 0.89 passes 0.85 and fails 0.90.
    scores = evaluate_coco(truth((0, [0, 0, 100, 100])), found((0, [0, 0, 100, 89], 0.9)))
    assert (scores.ap_at(85), scores.ap_at(90)) == (ONE, 0.0)


def test_sizes_go_by_area():
    # 50 x 50 = 2500 square pixels is medium; small and large have no ground truth.
    scores = evaluate_coco(truth((0, A)), found((0, A, 0.9)))
    assert scores.ap_by_size["medium"] == ONE and scores.ar_by_size["medium"] == 1.0
    assert math.isnan(scores.ap_by_size["small"]) and math.isnan(scores.ar_by_size["large"])
    # The annotation's area wins over the box's.
    scores = evaluate_coco(truth((0, A, {"area": 900})), found((0, A, 0.9)))
    assert scores.ap_by_size["small"] == ONE


def test_recall_by_detections_per_image():
    boxes = [(0, [i * 20, 0, 10, 10]) for i in range(4)]
    scores = evaluate_coco(
        truth(*boxes), found(*[(i, box, 0.9) for i, box in boxes]), max_dets=(2, 1, 10)
    )
    assert scores.ar_by_max_dets == {1: 0.25, 2: 0.5, 10: 1.0}


def test_no_ground_truth_is_nan():
    for detections in ([], [(0, A, 0.9)]):
        scores = evaluate_coco(truth(), found(*detections))
        assert all(math.isnan(value) for value in scores.as_dict().values())
    empty = {"images": [], "annotations": [], "categories": []}
    assert math.isnan(evaluate_coco(empty, []).ap)
    # Ignored objects alone are no ground truth either.
    assert math.isnan(evaluate_coco(truth((0, A, IGNORE)), found((0, A, 0.9))).ap)


def test_class_without_ground_truth_is_left_out_of_the_mean():
    data = truth((0, A))
    data["categories"] = [{"id": 0, "name": "thing"}, {"id": 7, "name": "thing"}]
    detections = [*found((0, A, 0.9)), {**found((0, B, 0.9))[0], "category_id": 7}]
    scores = evaluate_coco(data, detections)
    assert scores.ap == ONE
    assert scores.ap_by_class["thing (id 0)"] == ONE
    assert math.isnan(scores.ap_by_class["thing (id 7)"])


def test_masks_are_compared_by_pixel():
    square = [[10, 10, 60, 10, 60, 60, 10, 60]]
    half = [[10, 10, 60, 10, 60, 35, 10, 35]]  # IoU 0.5 with the square, and a box of its own
    data = truth((0, A, {"segmentation": square}))
    result = {"image_id": 0, "category_id": 0, "score": 1.0}
    assert evaluate_coco(data, [{**result, "segmentation": square}], "segm").ap == ONE
    scores = evaluate_coco(data, [{**result, "bbox": A, "segmentation": half}], "segm")
    assert scores.ap_by_threshold == (ONE, *[0.0] * 9)
    # Polygons of fewer than three points draw nothing: found by nobody, and no crash.
    assert evaluate_coco(data, [{**result, "segmentation": [[1, 2, 3, 4]]}], "segm").ap == 0.0
    # A column-wise list of run lengths: rows 10-59 of columns 10-59 of 200.
    counts = [200 * 10 + 10, *[50, 150] * 49, 50, 200 * 140 + 140]
    rle = {"size": [200, 200], "counts": counts}
    assert evaluate_coco(data, [{**result, "segmentation": rle}], "segm").ap == ONE


def test_nothing_is_mutated_or_printed(capsys):
    square = [[10, 10, 60, 10, 60, 60, 10, 60]]
    data = truth((0, A, {"segmentation": square, "ignore": 1}), (0, B, {"segmentation": square}))
    results = [{**found((0, A, 0.9))[0], "segmentation": square}]
    before = copy.deepcopy((data, results))
    for iou_type in ("bbox", "segm"):
        evaluate_coco(data, results, iou_type)
    assert (data, results) == before
    assert capsys.readouterr().out == ""


def random_case(seed):
    rng = random.Random(seed)

    def box():
        return [rng.uniform(0, 100), rng.uniform(0, 100), rng.uniform(5, 90), rng.uniform(5, 90)]

    boxes = [(rng.randrange(4), box()) for _ in range(8)]
    # Scores from few values, so that ties happen.
    near = [(i, [v + rng.uniform(-4, 4) for v in b], rng.choice((0.5, 0.7))) for i, b in boxes]
    noise = [(rng.randrange(4), box(), rng.choice((0.5, 0.7))) for _ in range(6)]
    return truth(*boxes, images=4), found(*near, *noise)


@pytest.mark.parametrize("seed", range(5))
def test_lower_ranked_false_positive_never_raises_ap(seed):
    data, results = random_case(seed)
    before = evaluate_coco(data, results)
    after = evaluate_coco(data, [*results, *found((0, [190, 190, 1, 1], 0.1))])
    assert all(a <= b for a, b in zip(after.ap_by_threshold, before.ap_by_threshold, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_order_of_images_changes_nothing(seed):
    data, results = random_case(seed)
    shuffled = {**data, "images": data["images"][::-1], "annotations": data["annotations"][::-1]}
    # The order of one image's detections decides its ties and stays.
    reordered = sorted(results, key=lambda result: -result["image_id"])
    before, after = evaluate_coco(data, results), evaluate_coco(shuffled, reordered)
    assert after.ap_by_threshold == before.ap_by_threshold
    assert after.as_dict() == pytest.approx(before.as_dict(), nan_ok=True)


@pytest.mark.parametrize("ids", [(0, 1), ("b", "a"), ("x", 3)])
def test_ids_may_be_zero_or_text(ids):
    data = {
        "images": [{"id": i} for i in ids],
        "annotations": [{"image_id": i, "category_id": "cat", "bbox": A} for i in ids],
        "categories": [{"id": "cat"}],
    }
    results = [{"image_id": i, "category_id": "cat", "bbox": A, "score": 1} for i in ids]
    scores = evaluate_coco(data, results)
    assert scores.ap == ONE and dict(scores.ap_by_class) == {"cat": ONE}


GOOD = {"image_id": 0, "category_id": 0, "bbox": A, "score": 0.5}


@pytest.mark.parametrize(
    "change, iou_type, message",
    [
        ({"image_id": 5}, "bbox", r"results\[0\] has image_id 5, .* 1 images"),
        ({"image_id": "0"}, "bbox", "there 0 is int, not str"),
        ({"category_id": 3}, "bbox", "category_id 3"),
        ({"score": None}, "bbox", "no 'score'"),
        ({"score": math.nan}, "bbox", "score nan"),
        ({"bbox": [1, 2, 3]}, "bbox", "four finite numbers"),
        ({"bbox": [1, 2, -3, 4]}, "bbox", "width and height >= 0"),
        ({"bbox": None}, "bbox", "no 'bbox'"),
        ({}, "segm", "no 'segmentation'"),
        ({"segmentation": "abc"}, "segm", "must be polygons"),
        ({"segmentation": {"size": [9, 9], "counts": "1"}}, "segm", r"size \[9, 9\]"),
        ({}, "bbx", "Did you mean 'bbox'"),
    ],
)
def test_faulty_results_are_named(change, iou_type, message):
    with pytest.raises(InputError, match=message):
        evaluate_coco(truth(), [{**GOOD, **change}], iou_type)


@pytest.mark.parametrize(
    "data, message",
    [
        ([], "must be a COCO dict, got list"),
        ({"image": [], "annotations": [], "categories": []}, "no 'images'.*Did you mean 'image'"),
        (truth(images=1, categories=[{"id": 0}, {"id": 0}]), r"categories\[1\] has id 0"),
        (truth((4, A)), r"annotations\[0\] has image_id 4"),
        ({**truth(), "images": [{}]}, r"images\[0\] has no 'id'"),
    ],
)
def test_faulty_ground_truth_is_named(data, message):
    with pytest.raises(InputError, match=message):
        evaluate_coco(data, [])


def test_results_must_be_a_list():
    with pytest.raises(InputError, match="list of dicts"):
        evaluate_coco(truth(), truth())
    with pytest.raises(InputError, match="max_dets"):
        evaluate_coco(truth(), [], max_dets=())


def test_masks_need_the_size_of_the_picture():
    data = truth((0, A, {"segmentation": []}), images=0) | {"images": [{"id": 0}]}
    with pytest.raises(InputError, match="height and width"):
        evaluate_coco(data, [], "segm")


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="needs the official COCO example results")
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_official_figures(iou_type):
    """All twelve figures that COCO publishes for its example results, to the printed digits."""
    blocks = (OFFICIAL / "val2014_fake_eval_res.txt").read_text().split("type=")
    block = next(b for b in blocks if b.startswith(iou_type))
    printed = [line.split("=")[-1].strip() for line in block.splitlines() if "Average" in line]
    data = json.loads((OFFICIAL / "instances_val2014_100.json").read_text())
    name = f"instances_val2014_fake{iou_type}100_results.json"
    results = json.loads((OFFICIAL / name).read_text())
    scores = evaluate_coco(data, results, iou_type)
    ours = [
        scores.ap,
        scores.ap_at(50),
        scores.ap_at(75),
        *scores.ap_by_size.values(),
        *scores.ar_by_max_dets.values(),
        *scores.ar_by_size.values(),
    ]
    assert len(printed) == 12
    assert [f"{value:.3f}" for value in ours] == printed
    assert len(scores.ap_by_class) == 80 and len(THRESHOLDS) == 10
    # What summarize() cannot find: AP at 0.9.
    assert scores.ap_at(80) > scores.ap_at(90) > scores.ap_at(95) > 0
