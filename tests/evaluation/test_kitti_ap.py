"""KITTI's AP: each rule worked out by hand, and a plain second writing of the protocol."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.kitti_ap import (
    CLASSES,
    DEVKITS,
    DIFFICULTIES,
    KittiDetections,
    KittiTruth,
    evaluate_kitti,
)

# A car 100 wide and 50 high, one out of its reach, and a lower one.
A, B = [0, 0, 100, 50], [200, 0, 300, 50]
AWAY = [600, 0, 700, 50]


def truth(*rows):
    """Each row is (name, box) or (name, box, truncated, occluded)."""
    full = [(*row, 0.0, 0)[:4] if len(row) == 2 else row for row in rows]
    return KittiTruth(
        [row[0] for row in full],
        [row[1] for row in full],
        [row[2] for row in full],
        [row[3] for row in full],
    )


def found(*rows):
    """Each row is (name, box, score)."""
    return KittiDetections(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    )


def curve(objects, detections, name="car", level="easy", devkit="2017"):
    """One image."""
    scores = evaluate_kitti([truth(*objects)], [found(*detections)], devkit)
    return scores.curves[name][level]


def counts(result):
    """True positives, false positives and misses at each threshold."""
    return [
        (int(t), int(f), int(m))
        for t, f, m in zip(
            result.true_positives, result.false_positives, result.missed, strict=True
        )
    ]


CAR = ("Car", A)


@pytest.mark.parametrize(
    "objects, detections, name, level, expected",
    [
        # Found; scores are logits, often negative.
        ([CAR], [("Car", A, -7.5)], "car", "easy", [(1, 0, 0)]),
        # Class names in any case.
        ([("CAR", A)], [("car", A, 0.5)], "car", "easy", [(1, 0, 0)]),
        # A duplicate is a false positive.
        ([CAR], [("Car", A, 0.9), ("Car", A, 0.9)], "car", "easy", [(1, 1, 0)]),
        # A false positive with a lower score than any hit is never looked at,
        ([CAR], [("Car", A, 0.9), ("Car", AWAY, 0.8)], "car", "easy", [(1, 0, 0)]),
        # one with the same score is: thresholds are inclusive.
        ([CAR], [("Car", A, 0.9), ("Car", AWAY, 0.9)], "car", "easy", [(1, 1, 0)]),
        # An IoU of exactly 0.7 is not enough for a car (here 35 of 50 rows, so nothing is found),
        ([CAR], [("Car", [0, 0, 100, 35], 0.9)], "car", "moderate", []),
        # a little more is;
        ([CAR], [("Car", [0, 0, 100, 35.1], 0.9)], "car", "moderate", [(1, 0, 0)]),
        # pedestrians need more than 0.5.
        ([("Pedestrian", A)], [("Pedestrian", [0, 0, 50, 50], 1)], "pedestrian", "easy", []),
        (
            [("Pedestrian", A)],
            [("Pedestrian", [0, 0, 51, 50], 1)],
            "pedestrian",
            "easy",
            [(1, 0, 0)],
        ),
        ([("Cyclist", A)], [("Cyclist", [0, 0, 51, 50], 1)], "cyclist", "easy", [(1, 0, 0)]),
        # Neighbours are neither found nor missed, and their detections no false positives: Van,
        (
            [CAR, ("Van", B)],
            [("Car", A, 0.8), ("Car", B, 0.9)],
            "car",
            "easy",
            [(1, 0, 0)],
        ),
        # Person_sitting, and Person as the tracking labels call it.
        (
            [("Pedestrian", A), ("Person_sitting", B), ("Person", AWAY)],
            [("Pedestrian", A, 0.8), ("Pedestrian", B, 0.9), ("Pedestrian", AWAY, 0.9)],
            "pedestrian",
            "easy",
            [(1, 0, 0)],
        ),
        # A neighbour takes one detection, the second is false.
        (
            [CAR, ("Van", B)],
            [("Car", A, 0.8), ("Car", B, 0.9), ("Car", B, 0.9)],
            "car",
            "easy",
            [(1, 1, 0)],
        ),
        # Other classes are invisible: a "car" on a truck is false,
        ([CAR, ("Truck", B)], [("Car", A, 0.8), ("Car", B, 0.9)], "car", "easy", [(1, 1, 0)]),
        # a van is no neighbour of pedestrians,
        (
            [("Pedestrian", A), ("Van", B)],
            [("Pedestrian", A, 0.8), ("Pedestrian", B, 0.9)],
            "pedestrian",
            "easy",
            [(1, 1, 0)],
        ),
        # and a detection called "Van" is not seen at all.
        ([CAR], [("Car", A, 0.8), ("Van", AWAY, 0.9)], "car", "easy", [(1, 0, 0)]),
        # DontCare: more than 0.7 of the DETECTION inside, however large the region;
        (
            [CAR, ("DontCare", [500, 0, 1000, 300], -1, -1)],
            [("Car", A, 0.8), ("Car", AWAY, 0.9)],
            "car",
            "easy",
            [(1, 0, 0)],
        ),
        # exactly 0.7 is not enough for a car,
        (
            [CAR, ("DontCare", [500, 0, 670, 300], -1, -1)],
            [("Car", A, 0.8), ("Car", AWAY, 0.9)],
            "car",
            "easy",
            [(1, 1, 0)],
        ),
        # but plenty for a pedestrian.
        (
            [("Pedestrian", A), ("DontCare", [500, 0, 670, 300], -1, -1)],
            [("Pedestrian", A, 0.8), ("Pedestrian", AWAY, 0.9)],
            "pedestrian",
            "easy",
            [(1, 0, 0)],
        ),
        # A region absorbs any number, and takes nothing from a car inside it.
        (
            [CAR, ("DontCare", [-10, -10, 900, 300], -1, -1)],
            [("Car", A, 0.8), ("Car", AWAY, 0.9), ("Car", AWAY, 0.9)],
            "car",
            "easy",
            [(1, 0, 0)],
        ),
        # Objects come in the file's order: the first takes the box that both want, though it lies
        # nearer to the second.
        (
            [("Car", [0, 0, 100, 60]), ("Car", [0, 0, 100, 50])],
            [("Car", A, 0.9)],
            "car",
            "easy",
            [(1, 0, 1)],
        ),
        # A score at or below -1e7 is the devkit's own sign for "nothing there".
        ([CAR], [("Car", A, -1e7)], "car", "easy", []),
        # A box turned inside out overlaps nothing.
        (
            [CAR],
            [("Car", A, 0.8), ("Car", [100, 50, 0, 0], 0.9)],
            "car",
            "easy",
            [(1, 1, 0)],
        ),
        # A box without an area is no match and no crash.
        ([CAR], [("Car", A, 0.8), ("Car", [9, 9, 9, 60], 0.9)], "car", "easy", [(1, 1, 0)]),
    ],
)
@pytest.mark.parametrize("devkit", DEVKITS)
def test_matching_by_hand(objects, detections, name, level, expected, devkit):
    assert counts(curve(objects, detections, name, level, devkit)) == expected


@pytest.mark.parametrize(
    "box, truncated, occluded, levels",
    [
        # Well above all limits.
        (A, 0.0, 0, ("easy", "moderate", "hard")),
        # Occlusion 1 is too much for easy, 2 for moderate, 3 ("unknown") for all.
        (A, 0.0, 1, ("moderate", "hard")),
        (A, 0.0, 2, ("hard",)),
        (A, 0.0, 3, ()),
        # Truncation: limits are inclusive, in double precision.
        (A, 0.15, 0, ("easy", "moderate", "hard")),
        (A, 0.16, 0, ("moderate", "hard")),
        (A, 0.30, 0, ("moderate", "hard")),
        (A, 0.31, 0, ("hard",)),
        (A, 0.50, 0, ("hard",)),
        (A, 0.51, 0, ()),
        # What float32 makes of 0.3 is above it.
        (A, float(np.float32(0.3)), 0, ("hard",)),
        # Heights: 40.1 is easy, 39.9 is not, 25.1 is moderate, 24.9 nothing.
        ([0, 0, 100, 40.1], 0.0, 0, ("easy", "moderate", "hard")),
        ([0, 0, 100, 39.9], 0.0, 0, ("moderate", "hard")),
        ([0, 0, 100, 25.1], 0.0, 0, ("moderate", "hard")),
        ([0, 0, 100, 24.9], 0.0, 0, ()),
    ],
)
@pytest.mark.parametrize("devkit", DEVKITS)
def test_which_objects_count(box, truncated, occluded, levels, devkit):
    rows = [("Car", box, truncated, occluded), ("Car", B)]
    for level in DIFFICULTIES:
        result = curve(rows, [("Car", box, 0.9), ("Car", B, 0.8)], level=level, devkit=devkit)
        assert result.objects == 1 + (level in levels)
        # One that does not count is ignored: finding it is no false positive.
        assert not result.false_positives.any() and not result.missed[-1:].any()


def test_ignored_objects_are_not_missed():
    result = curve([("Car", A, 0.9, 0), CAR, ("Car", B, 0.0, 3)], [("Car", A, 0.9)])
    # The first, truncated one takes the only detection, so the second is missed in both passes.
    assert result.objects == 1 and counts(result) == []
    result = curve([CAR, ("Car", B, 0.0, 3)], [("Car", A, 0.9)])
    assert counts(result) == [(1, 0, 0)]


@pytest.mark.parametrize("height, level", [(40, "easy"), (25, "moderate"), (25, "hard")])
def test_generations_differ_on_an_object_of_exactly_the_height(height, level):
    # In 2012 such an object counts (too low: <), since 2017 it is ignored (too low: <=).
    rows = [("Car", [0, 0, 100, height])]
    assert curve(rows, [], level=level, devkit="2012").objects == 1
    assert curve(rows, [], level=level, devkit="2017").objects == 0


def test_generations_differ_on_low_detections():
    # A false positive of 39 px: counted in 2012, ignored at easy since 2017, counted at moderate.
    found_rows = [("Car", A, 0.8), ("Car", [600, 0, 700, 39], 0.9)]
    assert counts(curve([CAR], found_rows, devkit="2012")) == [(1, 1, 0)]
    assert counts(curve([CAR], found_rows, devkit="2017")) == [(1, 0, 0)]
    assert counts(curve([CAR], found_rows, level="moderate")) == [(1, 1, 0)]
    # Exactly 40 px is not low, and a height is that of a box turned upside down too.
    found_rows = [("Car", A, 0.8), ("Car", [600, 0, 700, 40], 0.9)]
    assert counts(curve([CAR], found_rows)) == [(1, 1, 0)]
    found_rows = [("Car", A, 0.8), ("Car", [600, 50, 700, 0], 0.9)]
    assert counts(curve([CAR], found_rows)) == [(1, 1, 0)]


TALL = ("Car", [0, 0, 100, 45])  # counts at easy, and overlaps its lower 39 px by 0.867
LOW = [0, 0, 100, 39]


def test_low_boxes_of_other_classes_take_an_object():
    # Since 2017: the low "cyclist" has the higher score and takes the car in the first pass, so no
    # score of a true positive is left to make a threshold of.
    rows = [("Car", TALL[1], 0.5), ("Cyclist", LOW, 0.9)]
    assert counts(curve([TALL], rows)) == []
    # In 2012 other classes are not seen.
    assert counts(curve([TALL], rows, devkit="2012")) == [(1, 0, 0)]
    # With the lower score it gets nothing: a box that is not low goes first in the second pass,
    rows = [("Car", TALL[1], 0.9), ("Cyclist", LOW, 0.5)]
    assert counts(curve([TALL], rows)) == [(1, 0, 0)]
    # even where the low one comes first and overlaps more.
    loose = [0, 0, 100, 62]  # IoU 45 / 62 = 0.726
    rows = [("Cyclist", LOW, 0.5), ("Car", loose, 0.9)]
    assert counts(curve([TALL], rows)) == [(1, 0, 0)]
    # At moderate 39 px is not low: a cyclist like any other.
    rows = [("Car", TALL[1], 0.5), ("Cyclist", LOW, 0.9)]
    assert counts(curve([TALL], rows, level="moderate")) == [(1, 0, 0)]


def test_an_object_that_a_low_box_took_is_neither_found_nor_missed():
    # The other car makes a threshold at 0.8; there the first car has the low box only.
    rows = [("Cyclist", LOW, 0.9), ("Car", B, 0.8)]
    result = curve([TALL, ("Car", B)], rows)
    assert result.objects == 2 and counts(result) == [(1, 0, 0)]
    assert result.recall.tolist() == [1.0]
    # At that threshold a box of its own with a lower score is not there to be taken instead, and
    # the false positive stays one.
    rows = [("Car", TALL[1], 0.3), *rows, ("Car", AWAY, 0.8)]
    assert counts(curve([TALL, ("Car", B)], rows)) == [(1, 1, 0)]


def test_first_pass_by_score_second_by_overlap():
    # One car, two boxes: IoU 1 with score 0.6, IoU 0.8 with score 0.9. The first pass takes the
    # higher score, so the threshold is 0.9 and the better box is not there yet.
    loose = [0, 0, 100, 62.5]
    result = curve([CAR], [("Car", A, 0.6), ("Car", loose, 0.9)])
    assert result.thresholds.tolist() == [0.9] and counts(result) == [(1, 0, 0)]
    # With a second car found at 0.6 the threshold 0.6 sees both boxes: A goes to the car and the
    # loose one, true in the first pass, is false.
    rows = [("Car", A, 0.6), ("Car", loose, 0.9), ("Car", B, 0.6)]
    result = curve([CAR, ("Car", B)], rows)
    assert result.thresholds.tolist() == [0.9, 0.6]
    assert counts(result) == [(1, 0, 1), (2, 1, 0)]


def test_equal_scores_and_overlaps_go_to_the_first():
    # Two boxes with equal score, one car that can take either, one that only takes the first
    # (IoU 0.75 and 0.68). The first row goes to the first car: the second car is missed.
    cars = [("Car", [0, 0, 100, 50]), ("Car", [25, 0, 125, 50])]
    first, second = [10, 0, 110, 50], [-10, 0, 90, 50]  # IoU with the first car 90 / 110 each
    result = curve(cars, [("Car", first, 0.9), ("Car", second, 0.9)])
    assert counts(result) == [(1, 1, 1)]
    # The other way round both are found.
    result = curve(cars, [("Car", second, 0.9), ("Car", first, 0.9)])
    assert counts(result) == [(2, 0, 0), (2, 0, 0)]


def many(n, hits=None, extra=()):
    """An image with n cars in a row, the first `hits` of them found with falling scores."""
    boxes = [[200 * i, 0, 200 * i + 100, 50] for i in range(n)]
    rows = [("Car", box, 1 - i / 1000) for i, box in enumerate(boxes[:hits])]
    return [("Car", box) for box in boxes], [*rows, *extra]


@pytest.mark.parametrize(
    "n, ap11, ap40",
    [
        # One object gives one threshold, that of recall 0: even a perfect detector has 1 of the 11
        # entries and none of the 40, which leave recall 0 out.
        (1, 1 / 11, 0.0),
        # Five objects fill recalls 0 ... 4/40, of which 0 and 4/40 are among the 11.
        (5, 2 / 11, 4 / 40),
        # 40 objects leave out the last.
        (40, 10 / 11, 39 / 40),
        # From 41 on a perfect detector has 1.
        (41, 1.0, 1.0),
        (100, 1.0, 1.0),
    ],
)
def test_perfect_detector(n, ap11, ap40):
    for devkit in DEVKITS:
        result = curve(*many(n), devkit=devkit)
        assert result.ap(11) == pytest.approx(ap11, abs=1e-12)
        assert result.ap(40) == pytest.approx(ap40, abs=1e-12)
        assert result.recall[-1] == 1.0


def test_recall_goal_is_a_running_sum():
    # 50 objects, all found: recalls 17/50 = 0.34 and 18/50 = 0.36 are equally far from the goal
    # 14/40 = 0.35. The devkit's goal is 1/40 added up 14 times, a little above 0.35, so it takes
    # 0.36; k / 40 would take 0.34.
    assert sum([1 / 40] * 14) > 14 / 40
    result = curve(*many(50))
    assert len(result.thresholds) == 41
    assert result.thresholds[14] == 1 - 17 / 1000 and result.recall[14] == 18 / 50
    # Where both are equally far in doubles too, the lower one stays: 6/52 and 7/52 around 0.125.
    assert sum([1 / 40] * 5) == 0.125 and 7 / 52 - 0.125 == 0.125 - 6 / 52
    result = curve(*many(52))
    assert result.thresholds[5] == 1 - 5 / 1000 and result.recall[5] == 6 / 52


@pytest.mark.parametrize(
    "hits, recalls",
    [
        # 100 objects. After the first hit the goal is 0.025. Recalls 0.02 and 0.03 are equally far
        # from it, in doubles 0.03 is nearer, so 0.02 is passed over.
        (3, [0.01, 0.03]),
        # The last hit joins however far it is from its goal, here 0.05,
        (4, [0.01, 0.03, 0.04]),
        # and though there is none nearer: with two hits 0.02 is not passed over.
        (2, [0.01, 0.02]),
    ],
)
def test_last_hit_always_makes_a_threshold(hits, recalls):
    result = curve(*many(100, hits))
    assert result.recall.tolist() == recalls
    assert result.precision.tolist() == [1.0] * len(recalls) + [0.0] * (41 - len(recalls))


def test_precision_is_made_to_fall_and_ends_at_the_last_threshold():
    # Two of 41 cars: false positives above the first and at the second. Precisions 1/2 and 2/4;
    # then a third hit lifts it to 3/5, which the envelope spreads to the left.
    objects, _ = many(41)
    rows = [
        ("Car", objects[0][1], 0.9),
        ("Car", AWAY_FAR, 0.95),
        ("Car", objects[1][1], 0.8),
        ("Car", AWAY_FAR, 0.8),
        ("Car", objects[2][1], 0.7),
    ]
    result = curve(objects, rows)
    assert counts(result) == [(1, 1, 40), (2, 2, 39), (3, 2, 38)]
    assert result.measured_precision.tolist() == [0.5, 0.5, 0.6]
    assert result.precision.tolist() == [0.6, 0.6, 0.6, *[0.0] * 38]
    assert result.ap(11) == pytest.approx(0.6 / 11) and result.ap(40) == pytest.approx(1.2 / 40)


AWAY_FAR = [0, 300, 100, 400]


def test_nothing_over_nothing_counts_as_zero():
    # An ignored car (occluded 3) comes first and takes `high` (0.9) in the first pass by score; the
    # counted one takes `near`: threshold 0.5. In the second pass the ignored one prefers `near`,
    # which overlaps it fully, the counted one gets nothing, and `high` lies in a DontCare: no true
    # and no false positive. The devkit's AP would be nan.
    near, high = [0, 0, 100, 50], [-12, 0, 88, 50]
    rows = [
        ("Car", near, 0.0, 3),
        ("Car", [15, 0, 115, 50]),
        ("DontCare", [-20, 0, 90, 50], -1, -1),
    ]
    result = curve(rows, [("Car", high, 0.9), ("Car", near, 0.5)], level="hard")
    assert counts(result) == [(0, 0, 1)]
    assert result.ap(11) == result.ap(40) == 0.0
    assert result.recall.tolist() == result.measured_precision.tolist() == [0.0]


def test_degenerate_sets():
    # No images, no rows, no objects: nan. Objects but no detections: 0.
    for truths, detections in (([], []), ([truth()], [found()])):
        scores = evaluate_kitti(truths, detections)
        assert all(math.isnan(value) for value in scores.as_dict().values())
        assert len(scores.as_dict()) == 18
    result = curve([CAR], [])
    assert (result.objects, result.ap(11), result.ap(40)) == (1, 0.0, 0.0)
    # Only detections: nan as well, and a curve without points.
    result = curve([], [("Car", A, 0.9)])
    assert math.isnan(result.ap(40)) and len(result.thresholds) == 0
    # One pixel.
    dot = [5, 5, 6, 6]
    assert curve([("Car", dot)], [("Car", dot, 1.0)], level="hard").objects == 0


def test_names_of_the_results():
    scores = evaluate_kitti([truth(CAR)], [found(("Car", A, 1.0))])
    assert scores.devkit == "2017" and tuple(scores.curves) == CLASSES
    assert list(scores.as_dict())[:3] == ["AP11_car_easy", "AP40_car_easy", "AP11_car_moderate"]
    assert scores.as_dict()["AP11_car_hard"] == pytest.approx(1 / 11)
    with pytest.raises(InputError, match="not at 101"):
        scores.curves["car"]["easy"].ap(101)


@pytest.mark.parametrize(
    "truths, detections, devkit, message",
    [
        ([truth(CAR)], [], "2017", r"one entry per image.* got 1 and 0"),
        ([truth(CAR)], [found()], "2013", "devkit must be one of 2012, 2017, got '2013'"),
        (
            [KittiTruth(["Car"], [1, 2, 3, 4], [0], [0])],
            [found()],
            "2017",
            r"truths\[0\].boxes must be \(N, 4\), one row per box, got \(4,\)",
        ),
        (
            [truth(CAR), KittiTruth(["Car"], [A], [], [0])],
            [found(), found()],
            "2017",
            r"truths\[1\].truncated must be \(1,\), one per box, got \(0,\)",
        ),
        (
            [KittiTruth(["Car"], [A], np.array([0.3], np.float32), [0])],
            [found()],
            "2017",
            r"truths\[0\].truncated must be in double precision, got float32",
        ),
        ([KittiTruth([], [A], [0], [0])], [found()], "2017", r"truths\[0\].names must be 1 class"),
        ([KittiTruth(["Car"], [A], [0], [None])], [found()], "2017", r"truths\[0\].occluded"),
        (
            [truth()],
            [found(("Car", A, math.nan))],
            "2017",
            r"detections\[0\].scores must be finite, row 0",
        ),
        (
            [truth()],
            [KittiDetections(["Car"], [A], ["high"])],
            "2017",
            r"detections\[0\].scores must be numbers",
        ),
    ],
)
def test_faulty_input_is_named(truths, detections, devkit, message):
    with pytest.raises(InputError, match=message):
        evaluate_kitti(truths, detections, devkit)


# Random sets with many ties


def random_set(seed, images=30, ties=True):
    rng = random.Random(seed)
    names = ["Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "DontCare", "Truck"]
    truths, detections = [], []
    for _ in range(images):
        objects = []
        for _ in range(rng.randrange(6)):
            x, y, width = (10 * rng.randrange(10), 10 * rng.randrange(6), rng.choice((20, 50, 80)))
            box = [x, y, x + width, y + rng.choice((24, 25, 26, 39.5, 40, 41, 60))]
            limits = (rng.choice((0, 0, 0.15, 0.3, 0.5, 0.6)), rng.choice((0, 0, 1, 2, 3)))
            objects.append((rng.choice(names), box, *limits))
        rows = []
        for _, box, *_ in [row for row in objects for _ in range(rng.randrange(3))]:
            near = [v + rng.choice((0, 0, 0, 1, -1, 3)) for v in box]
            rows.append(near)
        for _ in range(rng.randrange(3)):
            x, y = 10 * rng.randrange(10), 10 * rng.randrange(6)
            rows.append([x, y, x + rng.choice((0, 20, 50)), y + rng.choice((24.9, 25, 40, 60))])
        rng.shuffle(rows)
        truths.append(truth(*objects))
        pick = names if rng.random() < 0.5 else ["Car", "Pedestrian", "Cyclist"]
        detections.append(
            found(
                *[
                    (
                        rng.choice(pick),
                        box,
                        rng.choice((-3, -1, 0, 0.5, 2)) if ties else rng.gauss(0, 3),
                    )
                    for box in rows
                ]
            )
        )
    return truths, detections


@pytest.mark.parametrize("seed", range(4))
def test_a_false_positive_never_raises_ap(seed):
    truths, detections = random_set(seed)
    far = [("Car", [900, 0, 999, 70]), ("Pedestrian", [900, 0, 999, 70])]
    for score in (-5.0, 0.0, 5.0):
        worse = list(detections)
        d = worse[seed]
        worse[seed] = KittiDetections(
            [*d.names, *(name for name, _ in far)],
            [*d.boxes, *(box for _, box in far)],
            [*d.scores, score, score],
        )
        for devkit in DEVKITS:
            before = evaluate_kitti(truths, detections, devkit).as_dict()
            after = evaluate_kitti(truths, worse, devkit).as_dict()
            assert all(after[k] <= before[k] or math.isnan(before[k]) for k in before)


@pytest.mark.parametrize("seed", range(4))
def test_order_of_images_changes_nothing(seed):
    truths, detections = random_set(seed)
    order = list(range(len(truths)))
    random.Random(seed).shuffle(order)
    for devkit in DEVKITS:
        before = evaluate_kitti(truths, detections, devkit).as_dict()
        mixed = [truths[i] for i in order], [detections[i] for i in order]
        assert evaluate_kitti(*mixed, devkit).as_dict() == pytest.approx(before, nan_ok=True, abs=0)


def test_scores_count_by_their_order_only():
    truths, detections = random_set(9, ties=False)
    before = evaluate_kitti(truths, detections).as_dict()
    moved = [KittiDetections(d.names, d.boxes, np.array(d.scores) - 100) for d in detections]
    assert evaluate_kitti(truths, moved).as_dict() == pytest.approx(before, nan_ok=True, abs=0)


# The protocol once more, straight from its text, with loops


def plain_overlap(a, b, of_a=False):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    size_a, size_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    shared = width * height
    return shared / size_a if of_a else shared / (size_a + size_b - shared)


PLAIN_LIMITS = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.3), "hard": (25, 2, 0.5)}


def plain_statuses(t, d, name, level, devkit):
    """Objects: 0 counts, 1 ignored, -1 not seen. Detections: 0 counts, 1 low, -1 not seen."""
    height, occlusion, truncation = PLAIN_LIMITS[level]
    near = {"car": ["van"], "pedestrian": ["person_sitting", "person"], "cyclist": []}[name]
    of_objects, of_found = [], []
    for word, box, truncated, occluded in zip(
        t.names, t.boxes, t.truncated, t.occluded, strict=True
    ):
        size = box[3] - box[1]
        low = size < height if devkit == "2012" else size <= height
        hard = low or occluded > occlusion or truncated > truncation
        if word.lower() == name:
            of_objects.append(1 if hard else 0)
        else:
            of_objects.append(1 if word.lower() in near else -1)
    for word, box in zip(d.names, d.boxes, strict=True):
        if devkit == "2017" and abs(box[1] - box[3]) < height:
            of_found.append(1)
        else:
            of_found.append(0 if word.lower() == name else -1)
    return of_objects, of_found


def plain_first(t, d, of_objects, of_found, least):
    taken, hits = set(), []
    for g, status in enumerate(of_objects):
        if status == -1:
            continue
        best = None
        for j, box in enumerate(d.boxes):
            if of_found[j] == -1 or j in taken or plain_overlap(box, t.boxes[g]) <= least:
                continue
            if best is None or d.scores[j] > d.scores[best]:
                best = j
        if best is not None:
            taken.add(best)
            if status == 0 and of_found[best] == 0:
                hits.append(d.scores[best])
    return hits


def plain_second(t, d, of_objects, of_found, least, threshold):
    taken, hits = set(), 0
    for g, status in enumerate(of_objects):
        if status == -1:
            continue
        best, first_low = None, None
        for j, box in enumerate(d.boxes):
            overlap = plain_overlap(box, t.boxes[g])
            if of_found[j] == -1 or j in taken or d.scores[j] < threshold or overlap <= least:
                continue
            if of_found[j] == 0 and (
                best is None or overlap > plain_overlap(d.boxes[best], t.boxes[g])
            ):
                best = j
            if of_found[j] == 1 and first_low is None:
                first_low = j
        chosen = best if best is not None else first_low
        if chosen is not None:
            taken.add(chosen)
            hits += status == 0 and of_found[chosen] == 0
    false = 0
    for j, box in enumerate(d.boxes):
        if of_found[j] == 0 and j not in taken and d.scores[j] >= threshold:
            regions = [b for n, b in zip(t.names, t.boxes, strict=True) if n == "DontCare"]
            false += not any(plain_overlap(box, r, of_a=True) > least for r in regions)
    return hits, false


def plain_precision(truths, detections, name, level, devkit):
    least = 0.7 if name == "car" else 0.5
    pairs = list(zip(truths, detections, strict=True))
    statuses = [plain_statuses(t, d, name, level, devkit) for t, d in pairs]
    objects = sum(s == 0 for of_objects, _ in statuses for s in of_objects)
    hits = []
    for (t, d), status in zip(pairs, statuses, strict=True):
        hits += plain_first(t, d, *status, least)
    hits.sort(reverse=True)
    thresholds, goal = [], 0.0
    for i, score in enumerate(hits):
        last = i == len(hits) - 1
        if not last and (i + 2) / objects - goal < goal - (i + 1) / objects:
            continue
        thresholds.append(score)
        goal += 0.025
    precision = [0.0] * 41
    for k, threshold in enumerate(thresholds):
        true = false = 0
        for (t, d), status in zip(pairs, statuses, strict=True):
            more = plain_second(t, d, *status, least, threshold)
            true, false = true + more[0], false + more[1]
        precision[k] = true / (true + false) if true + false else 0.0
    return objects, [max(precision[k:]) for k in range(41)]


@pytest.mark.parametrize("devkit", DEVKITS)
@pytest.mark.parametrize("seed", range(6))
def test_same_as_the_plain_writing(seed, devkit):
    truths, detections = random_set(seed + 100, images=(2, 60)[seed % 2], ties=seed < 4)
    scores = evaluate_kitti(truths, detections, devkit)
    seen = 0
    for name in CLASSES:
        for level in DIFFICULTIES:
            objects, precision = plain_precision(truths, detections, name, level, devkit)
            result = scores.curves[name][level]
            assert result.objects == objects
            assert result.precision == pytest.approx(precision, abs=1e-12)
            seen += any(precision)
    assert seen or seed % 2 == 0  # so that two empty curves are not taken for an agreement
