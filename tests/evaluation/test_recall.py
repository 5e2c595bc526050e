"""Recall of boxes: cases by hand, a slow loop, and pycocotools where both must agree."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cascadekit.errors import InputError
from cascadekit.evaluation.recall import AREA_LIMITS, IOUS, box_recall, match_greedily


@pytest.mark.parametrize(
    ("overlaps", "found"),
    [
        # One box, one object.
        ([[0.7]], [0.7]),
        # The second object's box is taken by the first, whose pair is better.
        ([[0.9, 0.8]], [0.9, 0.0]),
        # It falls back on the other box.
        ([[0.9, 0.8], [0.2, 0.5]], [0.9, 0.5]),
        # The best pair goes first, though it leaves less in all (0.8 + 0.7 would be more).
        ([[0.9, 0.7], [0.8, 0.1]], [0.9, 0.1]),
        # Equal pairs: the first object takes the first box.
        ([[0.6, 0.6], [0.6, 0.3]], [0.6, 0.3]),
        # Three want the same box, one after the other they look again.
        ([[0.9, 0.8, 0.7], [0.1, 0.6, 0.5], [0.0, 0.0, 0.4]], [0.9, 0.6, 0.4]),
        # More boxes than objects.
        ([[0.1], [0.8], [0.5]], [0.8]),
        # Nothing touches.
        ([[0.0, 0.0]], [0.0, 0.0]),
        # No boxes; no objects.
        (np.zeros((0, 2)), [0.0, 0.0]),
        (np.zeros((3, 0)), []),
    ],
)
def test_the_best_pair_goes_first(overlaps, found):
    given = np.array(overlaps, dtype=float)
    before = given.copy()
    assert match_greedily(given).tolist() == found
    assert (given == before).all()  # nothing that was given is changed


OBJECT = [[0, 0, 10, 10]]


@pytest.mark.parametrize(
    ("box", "recall"),
    [
        ([0, 0, 10, 10], 1.0),  # identical: found at all ten thresholds
        ([0, 0, 10, 7], 0.5),  # IoU 0.70 passes .50, .55, .60, .65, .70
        ([0, 0, 10, 5], 0.1),  # exactly one half passes the first
        ([0, 0, 10, 4.9], 0.0),  # just below it
        ([10, 0, 20, 10], 0.0),  # touching
        ([5, 5, 4, 4], 0.0),  # inverted
        ([math.nan, 0, 10, 10], 0.0),  # not finite
    ],
)
def test_average_recall_of_one_box(box, recall):
    result = box_recall([[box]], [OBJECT], [[100]], limits=[1])
    assert result.average(1) == pytest.approx(recall)


def test_limit_and_size():
    # A small object whose box ranks first, and a large one whose box (IoU 0.64) ranks third.
    objects = [[0, 0, 10, 10], [100, 100, 200, 200]]
    boxes = [[0, 0, 10, 10], [300, 300, 310, 310], [100, 100, 180, 180]]
    result = box_recall([boxes], [objects], [[100, 10_000]], limits=(2, 3))
    # At .50, .55 and .60 both are found, at seven thresholds one of two.
    assert result.as_dict() == pytest.approx(
        {
            **{"AR2": 0.5, "AR2_small": 1.0, "AR2_medium": math.nan, "AR2_large": 0.0},
            **{"AR3": 0.65, "AR3_small": 1.0, "AR3_medium": math.nan, "AR3_large": 0.3},
        },
        nan_ok=True,
    )
    assert result.recall(0.6, 3) == 1.0 and result.recall(0.65, 3) == 0.5
    assert result.passed(3).tolist() == pytest.approx([1.0, 0.3])
    assert result.overlaps[3]["large"].tolist() == pytest.approx([0.64])


def test_a_size_goes_by_the_given_area_and_has_both_ends():
    # The areas are those of masks: 1024 is small and medium, 9216 medium and large.
    objects = [[0, 0, 200, 200], [300, 0, 500, 200]]
    result = box_recall([objects], [objects], [[1024, 9216]])
    assert {size: len(found) for size, found in result.overlaps[100].items()} == {
        "all": 2,
        "small": 1,
        "medium": 2,
        "large": 1,
    }


def test_objects_of_another_size_take_no_box():
    # One box on both; the large object has the better pair, yet small recall is that of its own.
    objects = [[0, 0, 20, 20], [0, 0, 100, 30]]
    result = box_recall([[[0, 0, 100, 20]]], [objects], [[400, 10_000]])
    assert result.overlaps[100]["all"].tolist() == pytest.approx([0.0, 2 / 3])
    assert result.overlaps[100]["small"].tolist() == pytest.approx([0.2])


def test_nothing_there():
    none = box_recall([], [], [])
    assert math.isnan(none.average(100)) and math.isnan(none.recall(0.5, 1000))
    assert none.num_images == 0
    # No boxes in one image, no objects in the other.
    result = box_recall([[], OBJECT], [OBJECT, []], [[100], []])
    assert result.average(100) == 0.0
    assert result.images["all"].tolist() == [0] and result.num_images == 2
    # One pixel, found.
    pixel = [[3, 3, 4, 4]]
    assert box_recall([pixel], [pixel], [[1]]).average(100, "small") == 1.0


def test_a_box_that_is_not_finite_takes_no_object():
    boxes = [[math.nan, 0, 10, 10], *OBJECT]
    assert box_recall([boxes], [OBJECT], [[100]]).average(100) == 1.0


def test_tensors_fit_in():
    boxes = torch.tensor(OBJECT, dtype=torch.float32)
    assert box_recall([boxes], [boxes], [torch.tensor([100.0])]).average(100) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([OBJECT], [OBJECT], []), "an entry for each image, got 1, 1 and 0"),
        (([OBJECT], [OBJECT], [[1, 2]]), r"areas\[0\] must be \(1,\), got \(2,\)"),
        (([[[0, 0, 1]]], [OBJECT], [[1]]), r"boxes\[0\] must be \(N, 4\), got \(1, 3\)"),
        (([OBJECT], [[[0] * 5]], [[1]]), r"truths\[0\] must be \(N, 4\), got \(1, 5\)"),
        (([OBJECT], [OBJECT], [[1]], (0, 10)), r"positive numbers of boxes, got \(0, 10\)"),
        (([OBJECT], [OBJECT], [[1]], ()), r"positive numbers of boxes, got \(\)"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        box_recall(*arguments)


def jittered(generator, objects, boxes, crowded):
    """Objects on a grid (apart, or on top of each other) and boxes near random ones of them."""
    pitch = 40 if crowded else 400
    places = generator.permutation(25)[:objects]
    corners = np.stack([places % 5, places // 5], 1) * pitch + generator.uniform(0, 20, (1, 2))
    sides = generator.uniform(10, 150, (objects, 2))
    truth = np.concatenate([corners, corners + sides], 1)
    if objects == 0:
        return truth.reshape(0, 4), np.tile([0.0, 0.0, 9.0, 9.0], (boxes, 1))
    near = truth[generator.integers(0, objects, boxes)]
    shift = generator.normal(0, 0.12, (boxes, 4)) * np.tile(near[:, 2:] - near[:, :2], 2)
    return truth, near + shift


def slow_overlap(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return w * h / union


def slow_recall(boxes, truths, areas, limit, low, high):
    """Pair by pair, in plain Python: (mean recall, objects)."""
    hits, objects = 0, 0
    for own, all_wanted, area in zip(boxes, truths, areas, strict=True):
        wanted = [t for t, a in zip(all_wanted, area, strict=True) if low <= a <= high]
        objects += len(wanted)
        pairs = [
            (slow_overlap(b, t), i, j)
            for i, b in enumerate(own[:limit])
            for j, t in enumerate(wanted)
        ]
        used_boxes, used_objects = set(), set()
        for overlap, i, j in sorted(pairs, reverse=True):
            if i not in used_boxes and j not in used_objects:
                used_boxes.add(i)
                used_objects.add(j)
                hits += sum(overlap >= t / 100 for t in range(50, 100, 5))
    return hits / 10 / objects if objects else math.nan


@pytest.mark.parametrize("crowded", [False, True])
def test_as_a_slow_loop(crowded):
    generator = np.random.default_rng(3)
    sizes = [(0, 5), (4, 0), (1, 40), (9, 40), (20, 15), (12, 60)]
    images = [jittered(generator, objects, boxes, crowded) for objects, boxes in sizes]
    truths, boxes = [t for t, _ in images], [b for _, b in images]
    areas = [np.prod(t[:, 2:] - t[:, :2], 1) for t in truths]
    result = box_recall(boxes, truths, areas, limits=(5, 30))
    for limit in (5, 30):
        for size, (low, high) in AREA_LIMITS.items():
            expected = slow_recall(boxes, truths, areas, limit, low, high)
            assert result.average(limit, size) == pytest.approx(expected, nan_ok=True)
    assert 0.05 < result.average(30) < 0.95  # neither end would tell much


def coco_recall(boxes, truths, areas, limits):
    """Recall by pycocotools, without classes: "AR5", "AR5_small", ... -> mean recall."""
    truth = COCO()
    annotations = [
        {
            **{"id": n, "image_id": i, "category_id": n % 3, "iscrowd": 0, "area": float(area)},
            "bbox": [x1, y1, x2 - x1, y2 - y1],
        }
        for n, (i, (x1, y1, x2, y2), area) in enumerate(
            (
                (i, t, a)
                for i in range(len(truths))
                for t, a in zip(truths[i], areas[i], strict=True)
            ),
            start=1,
        )
    ]
    found = [
        {
            **{"image_id": i, "category_id": 0, "score": 1 / (1 + rank)},
            "bbox": [x1, y1, x2 - x1, y2 - y1],
        }
        for i, own in enumerate(boxes)
        for rank, (x1, y1, x2, y2) in enumerate(own.tolist())
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.dataset = {
            "images": [{"id": i} for i in range(len(truths))],
            "annotations": annotations,
            "categories": [{"id": k, "name": str(k)} for k in range(3)],
        }
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluator.params.useCats = 0
        evaluator.params.maxDets = list(limits)
        evaluator.evaluate()
        evaluator.accumulate()
    recall = evaluator.eval["recall"]  # (10, 1, 4 areas, limits), -1 without objects
    return {
        f"AR{limit}" + ("" if size == "all" else f"_{size}"): np.where(
            recall[:, 0, a, m] < 0, math.nan, recall[:, 0, a, m]
        ).mean()
        for m, limit in enumerate(limits)
        for a, size in enumerate(AREA_LIMITS)
    }


def test_as_pycocotools_where_no_box_competes_for_two_objects():
    generator = np.random.default_rng(5)
    sizes = [(3, 30), (10, 60), (0, 10), (5, 0), (25, 200)]
    images = [jittered(generator, objects, boxes, False) for objects, boxes in sizes]
    truths, boxes = [t for t, _ in images], [b for _, b in images]
    areas = [np.prod(t[:, 2:] - t[:, :2], 1) for t in truths]
    ours = box_recall(boxes, truths, areas, limits=(10, 100)).as_dict()
    assert ours == pytest.approx(coco_recall(boxes, truths, areas, (10, 100)), nan_ok=True)
    assert 0.1 < ours["AR10"] < ours["AR100"] < 0.95
    assert all(ours[f"AR100_{size}"] > 0 for size in ("small", "medium", "large"))


def test_thresholds_are_the_ten_of_coco():
    assert IOUS.tolist() == pytest.approx(np.linspace(0.5, 0.95, 10))
    assert len(IOUS) == 10
