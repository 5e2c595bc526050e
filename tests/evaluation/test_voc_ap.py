"""VOC's AP: each rule worked out by hand, and a plain second writing of the protocol."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.voc_ap import (
    VocDetections,
    VocTruth,
    evaluate_voc,
    evaluate_voc_as_coco,
)

# Objects of 20 x 20 px (the last pixel counts), out of each other's reach.
A, B, C, D, E = ([100 * i + 1, 11, 100 * i + 20, 30] for i in range(5))
AWAY = [901, 901, 920, 920]


def truth(*rows):
    """Each row is a box, or (box, "difficult"), or (box, class name); class "cat" if not said."""
    full = [row if isinstance(row, tuple) else (row, "cat") for row in rows]
    return VocTruth(
        ["cat" if word == "difficult" else word for _, word in full],
        [box for box, _ in full],
        [word == "difficult" for _, word in full],
    )


def found(*rows, name="cat"):
    """Each row is (box, score)."""
    return VocDetections([name] * len(rows), [row[0] for row in rows], [row[1] for row in rows])


def curve(objects, rows, iou=0.5):
    """One image, class "cat"."""
    return evaluate_voc([truth(*objects)], [found(*rows)], (iou,), ("cat", "dog")).curves["cat"][
        iou
    ]


def outcomes(result):
    """Objects, hits and false positives."""
    hits = round(result.recall[-1] * result.objects) if len(result.recall) else 0
    counted = round(hits / result.precision[-1]) if hits else None
    return result.objects, hits, None if counted is None else counted - hits


@pytest.mark.parametrize(
    "objects, rows, expected",
    [
        # Found.
        ([A], [(A, 0.9)], (1, 1, 0)),
        # A second hit is a false positive,
        ([A], [(A, 0.9), (A, 0.8)], (1, 1, 1)),
        # the one with the lower score, whatever its overlap.
        ([A], [(A, 0.8), ([3, 11, 20, 30], 0.9)], (1, 1, 1)),
        # A box goes to the object that it overlaps most, taken or not: the second box is a
        # duplicate though another object overlaps it by 17 * 20 / (400 + 400 - 340) = 0.74.
        ([A, [5, 11, 24, 30]], [(A, 0.9), ([2, 11, 21, 30], 0.8)], (2, 1, 1)),
        # Of equal overlaps (18/22 each) the first object has it, so the second finds its own.
        (
            [A, [5, 11, 24, 30]],
            [([3, 11, 22, 30], 0.9), ([5, 11, 24, 30], 0.8)],
            (2, 2, 0),
        ),
        # IoU of exactly 1/2 is enough, and the last pixel counts: 20 x 10 of 20 x 20,
        ([A], [([1, 11, 20, 20], 0.9), (AWAY, 0.8)], (1, 1, 1)),
        # where without it 19 x 9 of 19 x 19 would be too little.
        ([A, B], [([1, 11, 20, 19], 0.9), (B, 0.8)], (2, 1, 1)),
        # A difficult object is not to be found, and no number of hits on it counts,
        ([A, (B, "difficult")], [(A, 0.7), (B, 0.9), (B, 0.8)], (1, 1, 0)),
        # nor does missing it.
        ([A, (B, "difficult")], [(A, 0.7)], (1, 1, 0)),
        # It takes a box from an object that overlaps it less.
        ([A, ([3, 11, 22, 30], "difficult"), B], [([3, 11, 22, 30], 0.9), (B, 0.8)], (2, 1, 0)),
        # Too far from it, a box is false.
        ([A, (B, "difficult")], [(A, 0.7), ([116, 11, 135, 30], 0.9)], (1, 1, 1)),
        # Other classes are not seen.
        ([A, (B, "dog")], [(A, 0.7), (B, 0.9)], (1, 1, 1)),
        # One pixel; scores may be below 0.
        ([[5, 5, 5, 5]], [([5, 5, 5, 5], -3.0)], (1, 1, 0)),
        # A box turned inside out meets nothing.
        ([A], [(A, 0.9), ([20, 30, 1, 11], 0.8)], (1, 1, 1)),
    ],
)
def test_matching_by_hand(objects, rows, expected):
    assert outcomes(curve(objects, rows)) == expected


def test_stricter_iou():
    # 20 x 14 of 20 x 20 is 0.7.
    assert outcomes(curve([A, B], [([1, 11, 20, 24], 0.9), (B, 0.8)], 0.5)) == (2, 2, 0)
    assert outcomes(curve([A, B], [([1, 11, 20, 24], 0.9), (B, 0.8)], 0.75)) == (2, 1, 1)


def test_both_averages_by_hand():
    # Hit, false, hit, miss of two of four: recalls 1/4, 1/4, 2/4 at precisions 1, 1/2, 2/3.
    result = curve([A, B, C, D], [(A, 0.9), (AWAY, 0.8), (B, 0.7)])
    assert result.recall.tolist() == [0.25, 0.25, 0.5]
    assert result.precision.tolist() == [1.0, 0.5, 2 / 3]
    # 07: points 0, .1, .2 see 1; .3, .4, .5 see 2/3; the other five nothing.
    assert result.ap("07") == pytest.approx((3 + 3 * 2 / 3) / 11, abs=1e-12)
    # 10: an area of 1/4 at 1 and 1/4 at 2/3.
    assert result.ap("10") == pytest.approx((1 + 2 / 3) / 4, abs=1e-12)


@pytest.mark.parametrize(
    "hits, objects, points",
    [
        # In doubles 3 x 0.1, 6 x 0.1 and 7 x 0.1 are more than 0.3, 0.6 and 0.7, so recalls of
        # exactly 3/10, 3/5 and 7/10 miss their point: 3 points where 4 would be expected,
        (3, 10, 3),
        (3, 5, 6),
        (7, 10, 7),
        # while 2/5 and 4/5 reach theirs, with the point at 0: 5 and 9.
        (2, 5, 5),
        (4, 5, 9),
        (5, 5, 11),
    ],
)
def test_recalls_that_miss_their_point(hits, objects, points):
    assert 6 * 0.1 > 0.6
    boxes = [[50 * i + 1, 1, 50 * i + 20, 20] for i in range(objects)]
    result = curve(boxes, [(box, 1 - i / 100) for i, box in enumerate(boxes[:hits])])
    assert result.ap("07") == pytest.approx(points / 11, abs=1e-12)
    assert result.ap("10") == pytest.approx(hits / objects, abs=1e-12)


def test_difficult_ones_on_top_are_nothing_over_nothing():
    # Two hits on a difficult object first: 0 / 0 twice, then precision 1.
    result = curve([A, (B, "difficult")], [(B, 0.9), (B, 0.8), (A, 0.7)])
    assert result.precision.tolist() == [0.0, 0.0, 1.0]
    assert result.ap("07") == result.ap("10") == 1.0
    # Nothing else at all: AP 0, where the devkit's maximum of nan is nan.
    assert curve([A, (B, "difficult")], [(B, 0.9)]).ap("07") == 0.0


def test_equal_scores_rank_in_the_order_of_images_and_rows():
    truths = [truth(A), truth(B)]
    rows = [found((A, 0.5)), found((AWAY, 0.5), (B, 0.5))]
    result = evaluate_voc(truths, rows).curves["cat"][0.5]
    assert result.precision.tolist() == [1.0, 0.5, 2 / 3]
    result = evaluate_voc(truths[::-1], rows[::-1]).curves["cat"][0.5]
    assert result.precision.tolist() == [0.0, 0.5, 2 / 3]


def test_means_leave_out_classes_without_objects():
    truths = [truth(A, (B, "dog"), (C, "difficult"))]
    boxes = VocDetections(["cat", "bird"], [A, B], [0.9, 0.9])
    scores = evaluate_voc(truths, [boxes])
    # All classes that occur, sorted: cat 1, dog 0, bird has detections only.
    assert list(scores.curves) == ["bird", "cat", "dog"]
    assert math.isnan(scores.curves["bird"][0.5].ap("07"))
    assert scores.as_dict() == {"AP50_VOC07": 0.5, "AP50_VOC10": 0.5}
    # Named classes come in their order, also where they do not occur.
    names = ("dog", "horse", "cat", "bird")
    scores = evaluate_voc(truths, [boxes], (0.5, 0.75), names)
    assert tuple(scores.curves) == names and scores.mean_ap("10", 0.75) == 0.5
    assert math.isnan(scores.curves["horse"][0.5].ap("10"))
    with pytest.raises(InputError, match=r"not at 0\.6"):
        scores.mean_ap("07", 0.6)
    with pytest.raises(InputError, match="not of '12'"):
        scores.mean_ap("12")


def test_degenerate_sets():
    # No images: no classes, no numbers.
    assert evaluate_voc([], []).as_dict() == {}
    scores = evaluate_voc([], [], classes=("cat",))
    assert math.isnan(scores.as_dict()["AP50_VOC07"])
    # An object and nothing found.
    result = curve([A], [])
    assert (result.objects, result.ap("07"), result.ap("10")) == (1, 0.0, 0.0)
    # Only difficult objects: nothing to find.
    assert math.isnan(curve([(A, "difficult")], [(A, 0.9)]).ap("10"))
    assert math.isnan(evaluate_voc_as_coco([], []).ap)


@pytest.mark.parametrize(
    "objects, rows, ap",
    [
        # Found, with the same boxes.
        ([A], [(A, 0.9)], 1.0),
        # A difficult object is ignored, found or missed,
        ([A, (B, "difficult")], [(A, 0.8), (B, 0.9)], 1.0),
        ([A, (B, "difficult")], [(A, 0.8)], 1.0),
        # but absorbs one detection only, unlike in VOC's own protocol: a false positive on top.
        ([A, (B, "difficult")], [(A, 0.7), (B, 0.9), (B, 0.8)], 0.5),
        # One that lies on an object and on a difficult one finds the object.
        ([A, ([3, 11, 22, 30], "difficult")], [(A, 0.9)], 1.0),
    ],
)
def test_in_cocos_metrics(objects, rows, ap):
    scores = evaluate_voc_as_coco([truth(*objects)], [found(*rows)])
    assert scores.ap == pytest.approx(ap, abs=1e-9)


def test_boxes_become_cocos():
    # xmin 1 becomes 0 and the width counts both ends: 32 x 33 px are more than 32 x 32 and so not
    # small, as 31 x 32 would be; and 20 x 19 of 20 x 20 are an IoU of 0.95.
    scores = evaluate_voc_as_coco([truth([1, 1, 32, 33])], [found(([1, 1, 32, 33], 1.0))])
    assert scores.ap_by_size["medium"] == pytest.approx(1.0)
    assert math.isnan(scores.ap_by_size["small"])
    scores = evaluate_voc_as_coco([truth(A)], [found(([1, 11, 20, 29], 1.0))])
    assert scores.ap_at(95) == pytest.approx(1.0)
    scores = evaluate_voc_as_coco([truth(A, (B, "dog"))], [found((A, 1.0))])
    assert dict(scores.ap_by_class) == {"cat": pytest.approx(1.0), "dog": 0.0}
    # A box turned inside out is empty there.
    scores = evaluate_voc_as_coco([truth(A)], [found((A, 0.9), ([20, 30, 1, 11], 1.0))])
    assert scores.ap == pytest.approx(0.5)


@pytest.mark.parametrize("evaluate", [evaluate_voc, evaluate_voc_as_coco])
@pytest.mark.parametrize(
    "truths, detections, options, message",
    [
        ([truth(A)], [], {}, r"one entry per image.* got 1 and 0"),
        ([VocTruth(["cat"], [A], [3])], [found()], {}, r"truths\[0\].difficult must be True or"),
        ([VocTruth("cat", [A, B, C], [0] * 3)], [found()], {}, r"truths\[0\].names must be 3 cl"),
        ([VocTruth(["cat"], [A[:3]], [0])], [found()], {}, r"truths\[0\].boxes must be \(N, 4\)"),
        ([truth()], [found((A, math.inf))], {}, r"detections\[0\].scores must be finite"),
        ([truth()], [VocDetections([], [A], [1])], {}, r"detections\[0\].names must be 1 class"),
        (
            [truth(A)],
            [found((A, 1), name="cow")],
            {"classes": ("cat", "cows")},
            r"detections\[0\] has class 'cow', not in `classes`. Did you mean 'cows'",
        ),
        ([truth(A)], [found()], {"classes": ("dog",)}, r"truths\[0\] has class 'cat'"),
    ],
)
def test_faulty_input_is_named(evaluate, truths, detections, options, message):
    with pytest.raises(InputError, match=message):
        evaluate(truths, detections, **options)


# Random sets


def random_set(seed, images=30, ties=True):
    rng = random.Random(seed)
    truths, detections = [], []
    for _ in range(images):
        objects = []
        for _ in range(rng.randrange(5)):
            x, y = 5 * rng.randrange(12), 5 * rng.randrange(4)
            box = [x, y, x + rng.choice((0, 9, 19)), y + rng.choice((0, 9, 19))]
            objects.append((box, rng.choice(("cat", "cat", "dog", "difficult"))))
        rows = []  # (class, box)
        for box, word in [item for item in objects for _ in range(rng.randrange(3))]:
            name = rng.choice(("bird", *["cat" if word == "difficult" else word] * 4))
            rows.append((name, [v + rng.choice((0, 0, 0, 1, 2)) for v in box]))
        for _ in range(rng.randrange(3)):
            x = 5 * rng.randrange(12)
            rows.append((rng.choice(("cat", "dog")), [x, 5, x + rng.choice((-3, 9, 19)), 14]))
        rng.shuffle(rows)
        truths.append(truth(*objects))
        scores = [rng.choice((-1, 0.1, 0.5, 0.9)) if ties else rng.random() for _ in rows]
        detections.append(VocDetections([n for n, _ in rows], [b for _, b in rows], scores))
    return truths, detections


@pytest.mark.parametrize("seed", range(4))
def test_a_false_positive_never_raises_ap(seed):
    truths, detections = random_set(seed)
    before = evaluate_voc(truths, detections, (0.5, 0.75)).as_dict()
    for score in (-2.0, 0.1, 0.3, 2.0):
        worse = list(detections)
        d = worse[seed]
        worse[seed] = VocDetections([*d.names, "cat"], [*d.boxes, AWAY], [*d.scores, score])
        after = evaluate_voc(truths, worse, (0.5, 0.75)).as_dict()
        assert all(after[k] <= before[k] for k in before)


@pytest.mark.parametrize("seed", range(4))
def test_order_of_images_changes_nothing_without_ties(seed):
    truths, detections = random_set(seed, ties=False)
    order = list(range(len(truths)))
    random.Random(seed).shuffle(order)
    before = evaluate_voc(truths, detections).as_dict()
    after = evaluate_voc([truths[i] for i in order], [detections[i] for i in order])
    assert after.as_dict() == pytest.approx(before, abs=1e-15)


def test_perfect_detector():
    truths = [truth(A, B, (C, "difficult"), (D, "dog")) for _ in range(5)]
    perfect = [VocDetections(t.names, t.boxes, np.linspace(1, 0.5, 4)) for t in truths]
    assert evaluate_voc(truths, perfect, (0.5, 0.75)).as_dict() == {
        key: pytest.approx(1.0, abs=1e-12)
        for key in ("AP50_VOC07", "AP50_VOC10", "AP75_VOC07", "AP75_VOC10")
    }
    assert evaluate_voc_as_coco(truths, perfect).ap == pytest.approx(1.0)


# The protocol once more, straight from its text, with loops


def plain_overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    sizes = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return width * height / (sizes - width * height)


def plain_curve(truths, detections, name, least):
    """Recalls and precisions after each detection."""
    rows, objects = [], 0
    for i, (t, d) in enumerate(zip(truths, detections, strict=True)):
        objects += sum(n == name and not hard for n, hard in zip(t.names, t.difficult, strict=True))
        rows += [
            (score, i, box)
            for n, score, box in zip(d.names, d.scores, d.boxes, strict=True)
            if n == name
        ]
    rows.sort(key=lambda row: -row[0])
    taken, hits, false, points = set(), 0, 0, []
    for _, i, box in rows:
        best, best_overlap = None, 0.0
        for j, (n, other) in enumerate(zip(truths[i].names, truths[i].boxes, strict=True)):
            if n == name and plain_overlap(box, other) > best_overlap:
                best, best_overlap = j, plain_overlap(box, other)
        if best_overlap < least:
            false += 1
        elif not truths[i].difficult[best]:
            if (i, best) in taken:
                false += 1
            else:
                hits += 1
                taken.add((i, best))
        points.append((hits / objects, hits / (hits + false) if hits + false else 0.0))
    return points


def plain_averages(points):
    eleven = 0.0
    for i in range(11):
        eleven += max([p for r, p in points if r >= i * 0.1], default=0.0) / 11
    area, before = 0.0, 0.0
    for k, (recall, _) in enumerate(points):
        area += (recall - before) * max(p for _, p in points[k:])
        before = recall
    return eleven, area


@pytest.mark.parametrize("seed", range(6))
def test_same_as_the_plain_writing(seed):
    truths, detections = random_set(seed + 30, (12, 40)[seed % 2], ties=seed < 4)
    scores = evaluate_voc(truths, detections, (0.5, 0.75))
    for name in ("cat", "dog"):
        for iou in (0.5, 0.75):
            result = scores.curves[name][iou]
            if not result.objects:
                assert math.isnan(result.ap("07"))
                continue
            eleven, area = plain_averages(plain_curve(truths, detections, name, iou))
            assert result.ap("07") == pytest.approx(eleven, abs=1e-12)
            assert result.ap("10") == pytest.approx(area, abs=1e-12)
    assert scores.mean_ap("10") > 0
