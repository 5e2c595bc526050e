"""WiderFace's AP: each rule worked out by hand, and a plain second writing of the protocol."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.widerface_ap import (
    SUBSETS,
    THRESHOLDS,
    FaceTruth,
    evaluate_widerface,
)

# Faces of 20 x 20 (x, y, w, h), out of each other's reach.
A, B, C, D = ([100 * i, 50, 20, 20] for i in range(4))
AWAY = [900, 900, 20, 20]
DUMMY = [0, 0, 0, 0]


def truth(*rows):
    """Each row is a box, in all subsets, or (box, "easy medium hard" or some of them)."""
    full = [row if isinstance(row, tuple) else (row, "easy medium hard") for row in rows]
    boxes = [box for box, _ in full]
    return FaceTruth(boxes, *([name in words.split() for _, words in full] for name in SUBSETS))


def found(*rows):
    """Each row is (box, score)."""
    return ScoredBoxes([row[0] for row in rows], [row[1] for row in rows])


def curve(images, subset="easy", iou=0.5):
    """Images are pairs of lists: faces, detections."""
    scores = evaluate_widerface(
        [truth(*faces) for faces, _ in images], [found(*rows) for _, rows in images], (iou,)
    )
    return scores.curves[subset][iou]


def last(result):
    """Faces, detections that count, faces found, at the lowest threshold."""
    return result.faces, int(result.detections[-1]), int(result.found[-1])


# Scores run from 1 to 0, so that normalising leaves them as they are: a pair of detections that
# find two faces of their own image.
FRAME = ([C, D], [(C, 1.0), (D, 0.0)])


def test_thresholds():
    # 1 - t / 1000 for t = 1, ..., 1000: the first is 0.999, the last 0.
    assert len(THRESHOLDS) == 1000 and THRESHOLDS[0] == 1 - 1 / 1000 and THRESHOLDS[-1] == 0.0
    # A score of 1 is in from the first, 0 at the last only, 0.25 from t = 750: inclusive.
    result = curve([FRAME, ([A], [(A, 0.25)])])
    assert [int(result.detections[t - 1]) for t in (1, 749, 750, 999, 1000)] == [1, 1, 2, 2, 3]


def test_area_under_the_monotone_curve():
    # Four faces. Hit (1.0), false (0.8), hit (0.6), false (0.4), hit (0.0): found 1, 1, 2, 2, 3 of
    # 1, 2, 3, 4, 5. Recall steps of 1/4 at precisions 1, 2/3, 3/5 = 0.6; the envelope lifts none.
    rows = [(A, 1.0), (AWAY, 0.8), (B, 0.6), (AWAY, 0.4), (C, 0.0)]
    result = curve([([A, B, C, D], rows)])
    assert result.ap == pytest.approx((1 + 2 / 3 + 3 / 5) / 4, abs=1e-12)
    # A false positive on top: precisions 1/2, then 2/3 at the second hit, which holds for both.
    result = curve([([A, B, C, D], [(AWAY, 1.0), (A, 0.5), (B, 0.0)])])
    assert result.ap == pytest.approx((2 / 3 + 2 / 3) / 4, abs=1e-12)
    # Between two thresholds the order is not seen: hit 0.5002 and false 0.5001 both come in at
    # t = 500, so the second recall step has precision 2/3, not 1.
    rows = [(A, 1.0), (B, 0.5002), (AWAY, 0.5001), (AWAY, 0.0)]
    result = curve([([A, B], rows)])
    assert result.ap == pytest.approx((1 + 2 / 3) / 2, abs=1e-12)
    assert result.precision[498:500].tolist() == [1.0, 2 / 3]


@pytest.mark.parametrize(
    "faces, rows, expected",
    [
        # Found.
        ([A], [(A, 0.5)], (1, 1, 1)),
        # Nothing near: a false positive.
        ([A], [(AWAY, 0.5)], (1, 1, 0)),
        # A second hit counts as a detection and finds nothing.
        ([A], [(A, 0.5), (A, 0.4)], (1, 2, 1)),
        # A face of another subset: its detections are not counted at all, first or second.
        ([A, (B, "hard")], [(A, 0.5), (B, 0.5), (B, 0.4)], (1, 1, 1)),
        # The greatest overlap decides, over ALL faces: a box between a face of the subset (IoU
        # 0.62) and one outside it (0.75) belongs to the latter, and the former is missed.
        ([A, ([8, 50, 20, 20], "hard")], [([5, 50, 20, 20], 0.5)], (1, 0, 0)),
        # Of equal overlaps the first face has it: here the one of the subset,
        ([A, ([10, 50, 20, 20], "hard")], [([5, 50, 20, 20], 0.5)], (1, 1, 1)),
        # here the other.
        ([([10, 50, 20, 20], "hard"), A], [([5, 50, 20, 20], 0.5)], (1, 0, 0)),
        # A taken face is not passed on to the next best: the second detection finds nothing though
        # another face overlaps it by 0.62.
        ([A, [8, 50, 20, 20]], [(A, 0.6), ([3, 50, 20, 20], 0.5)], (2, 2, 1)),
        # IoU of exactly 1/2 is enough, and one pixel is added to each side: 10 x 10 of 20 x 10
        # (without, 9 x 9 of 19 x 9 would be less),
        ([[0, 0, 19, 9]], [([0, 0, 9, 9], 0.5)], (1, 1, 1)),
        # 10 x 10 of 21 x 10 is not.
        ([[0, 0, 20, 9]], [([0, 0, 9, 9], 0.5)], (1, 1, 0)),
        # Boxes that touch share a row of pixels: 1 x 10 px of two boxes of 2 x 10 is 1/3,
        ([[0, 0, 1, 9]], [([1, 0, 1, 9], 0.5)], (1, 1, 0)),
        # and one inside the other by that row is 1/2.
        ([[0, 0, 1, 9]], [([1, 0, 0, 9], 0.5)], (1, 1, 1)),
        # A face of width 0 (there are nine in the set) is one pixel wide and can be found.
        ([[30, 30, 0, 0]], [([30, 30, 0, 0], 0.5)], (1, 1, 1)),
        # The dummy row of an image without faces belongs to no subset and keeps the detections of
        # its image as false positives.
        ([(DUMMY, "")], [(A, 0.5), (B, 0.4)], (0, 2, 0)),
        # One on the dummy itself is not counted, like any face outside the subset.
        ([(DUMMY, "")], [(DUMMY, 0.5), (B, 0.4)], (0, 1, 0)),
        # Without even that row no detection of the image counts.
        ([], [(A, 0.5), (B, 0.4)], (0, 0, 0)),
        # An image without detections still adds its faces.
        ([A, B, (C, "hard")], [], (2, 0, 0)),
        # A box turned inside out meets nothing.
        ([A], [([20, 70, -20, -20], 0.5)], (1, 1, 0)),
        # Rows need not be sorted.
        ([A, B], [(AWAY, 0.1), (A, 0.9), (B, 0.5)], (2, 3, 2)),
    ],
)
def test_matching_by_hand(faces, rows, expected):
    result = curve([FRAME, (faces, rows)])
    # The frame adds two faces, found, to every count.
    assert last(result) == tuple(value + 2 for value in expected)


def test_a_hit_counts_from_the_best_score_of_its_face():
    # The lower-scored row stands first, overlaps better and must not be the one that finds A.
    result = curve([FRAME, ([A], [(A, 0.2), ([2, 50, 20, 20], 0.8)])])
    assert [int(result.found[t - 1]) for t in (199, 200, 799, 800)] == [1, 2, 2, 2]
    assert [int(result.detections[t - 1]) for t in (199, 200, 799, 800)] == [1, 2, 2, 3]


def test_subsets_are_counted_apart():
    faces = [(A, "easy medium hard"), (B, "medium hard"), (C, "hard"), (D, "")]
    rows = [(A, 1.0), (B, 0.9), (C, 0.8), (D, 0.0)]
    assert last(curve([(faces, rows)], "easy")) == (1, 1, 1)
    assert last(curve([(faces, rows)], "medium")) == (2, 2, 2)
    assert last(curve([(faces, rows)], "hard")) == (3, 3, 3)


def test_stricter_iou():
    # 21 x 21 px against 21 x 15: IoU 15/21 = 0.71.
    images = [FRAME, ([A], [([0, 50, 20, 14], 0.5)])]
    assert last(curve(images, iou=0.5)) == (3, 3, 3)
    assert last(curve(images, iou=0.75)) == (3, 3, 2)
    # Below it a face outside the subset does not excuse a detection either.
    images = [FRAME, ([(A, "hard")], [([0, 50, 20, 14], 0.5)])]
    assert last(curve(images, iou=0.5)) == (2, 2, 2)
    assert last(curve(images, iou=0.75)) == (2, 3, 2)


def test_scores_are_normalised_over_the_whole_set():
    # 10, 6 and 2 in two images: 1, 0.5 and 0.
    scores = evaluate_widerface([truth(A), truth(B)], [found((A, 10), (AWAY, 2)), found((B, 6))])
    result = scores.curves["easy"][0.5]
    assert (scores.lowest, scores.highest) == (2.0, 10.0)
    assert [int(result.detections[t - 1]) for t in (1, 499, 500, 999, 1000)] == [1, 1, 2, 2, 3]
    # An image whose detections do not count takes part in it all the same.
    scores = evaluate_widerface([truth(A), truth()], [found((A, 6), (A, 2)), found((B, 10))])
    assert int(scores.curves["easy"][0.5].detections[498]) == 0


def test_negative_scores_count_up_to_zero():
    # The devkit looks for a maximum above the smallest positive float32: -1, -2, -5 become 4/5, 3/5
    # and 0, not 1, 3/4 and 0.
    rows = [(A, -1), (B, -2), (C, -5)]
    scores = evaluate_widerface([truth(A, B, C)], [found(*rows)])
    result = scores.curves["easy"][0.5]
    assert scores.highest == pytest.approx(1.17549435e-38, rel=1e-6, abs=0)
    assert [int(result.found[t - 1]) for t in (199, 200, 399, 400, 999, 1000)] == [0, 1, 1, 2, 2, 3]
    # 0 / 0 at the first 199 thresholds: nan in the curve to draw, nothing to the area.
    assert np.isnan(result.precision[:199]).all() and result.ap == 1.0
    # A false positive on top leaves 0 there, and the envelope whole.
    result = evaluate_widerface([truth(A)], [found((AWAY, -1), (A, -5))]).curves["easy"][0.5]
    assert result.ap == 0.5


def test_detections_of_other_subsets_on_top():
    # At the top thresholds only a face outside the subset is detected: 0 / 0, and AP stays 1.
    result = curve([([A, (B, "hard")], [(B, 1.0), (A, 0.0)])])
    assert np.isnan(result.precision[:999]).all() and result.ap == 1.0


def test_degenerate_sets():
    # No images; no faces and no detections: nan.
    for images in ([], [([], [])]):
        scores = evaluate_widerface([truth() for _ in images], [found() for _ in images])
        assert all(math.isnan(value) for value in scores.as_dict().values())
        assert math.isnan(scores.lowest) and math.isnan(scores.highest)
    # Faces, nothing found: 0.
    assert curve([([A], [])]).ap == 0.0
    # Only detections: nan, still counted.
    result = curve([([(DUMMY, "")], [(A, 0.5), (B, 0.1)])])
    assert math.isnan(result.ap) and last(result) == (0, 2, 0)
    # All scores alike: they count as 0, so that everything comes in at the last threshold.
    result = curve([([A, B], [(A, 0.7), (B, 0.7)])])
    assert result.detections[-2:].tolist() == [0, 2] and result.ap == 1.0
    result = curve([([A, B], [(A, 0.7)])])
    assert result.ap == 0.5


def test_names_of_the_results():
    scores = evaluate_widerface([truth(A)], [found((A, 1.0))])
    assert tuple(scores.curves) == SUBSETS
    assert list(scores.as_dict())[:3] == ["AP50_easy", "AP75_easy", "AP50_medium"]
    assert scores.curves["easy"][0.5].recall[-1] == 1.0


@pytest.mark.parametrize(
    "truths, detections, ious, message",
    [
        ([truth(A)], [], (0.5,), r"one entry per image.* got 1 and 0"),
        ([truth(A)], [found()], (0.5, 0.5), "ious must be different numbers"),
        ([truth(A)], [found()], (0,), r"in \(0, 1\], got \(0,\)"),
        # The mat files list row numbers, not flags.
        (
            [FaceTruth([A, B], [1, 2], [1, 1], [1, 1])],
            [found()],
            (0.5,),
            r"truths\[0\].easy must be True or False for each box, got \[1.0, 2.0\]",
        ),
        (
            [FaceTruth([A, B], [True, True], [True], [True, True])],
            [found()],
            (0.5,),
            r"truths\[0\].medium must be \(2,\), one per box, got \(1,\)",
        ),
        (
            [truth(A)],
            [ScoredBoxes([[1, 2, 3]], [1])],
            (0.5,),
            r"detections\[0\].boxes_xywh must be \(N, 4\), one row per box, got \(1, 3\)",
        ),
        ([truth(A)], [found((A, math.nan))], (0.5,), r"detections\[0\].scores must be finite"),
    ],
)
def test_faulty_input_is_named(truths, detections, ious, message):
    with pytest.raises(InputError, match=message):
        evaluate_widerface(truths, detections, ious)


# Random sets


def random_set(seed, images=25, levels=(0.1, 0.2, 0.5, 0.9)):
    rng = random.Random(seed)
    truths, detections = [], []
    for _ in range(images):
        faces = []
        for _ in range(rng.randrange(6)):
            size = rng.choice((0, 3, 9, 10, 19, 20))
            words = rng.choice(("", "hard", "medium hard", "easy medium hard"))
            faces.append(([5 * rng.randrange(12), 5 * rng.randrange(4), size, size], words))
        if not faces and rng.random() < 0.5:
            faces.append((DUMMY, ""))
        rows = []
        for box, _ in [face for face in faces for _ in range(rng.randrange(3))]:
            rows.append([v + rng.choice((0, 0, 0, 1, 2, -1)) for v in box])
        for _ in range(rng.randrange(3)):
            rows.append([5 * rng.randrange(12), 0, rng.choice((-3, 0, 9, 20)), 9])
        rng.shuffle(rows)
        truths.append(truth(*faces))
        detections.append(found(*[(row, rng.choice(levels or [rng.gauss(0, 1)])) for row in rows]))
    return truths, detections


@pytest.mark.parametrize("seed", range(4))
def test_a_false_positive_never_raises_ap(seed):
    truths, detections = random_set(seed)
    before = evaluate_widerface(truths, detections).as_dict()
    # Within the range of the scores: one beyond it would move all the others.
    for score in (0.1, 0.35, 0.9):
        worse = list(detections)
        d = worse[seed]
        worse[seed] = ScoredBoxes([*d.boxes_xywh, [900, 900, 9, 9]], [*d.scores, score])
        after = evaluate_widerface(truths, worse).as_dict()
        assert all(after[k] <= before[k] for k in before)


@pytest.mark.parametrize("seed", range(4))
def test_order_of_images_changes_nothing(seed):
    truths, detections = random_set(seed)
    order = list(range(len(truths)))
    random.Random(seed).shuffle(order)
    before = evaluate_widerface(truths, detections).as_dict()
    after = evaluate_widerface([truths[i] for i in order], [detections[i] for i in order])
    assert after.as_dict() == before


def test_perfect_detector():
    rng = random.Random(5)
    boxes = [[100 * i, 100 * j, 30, 30] for i in range(9) for j in range(5)]
    words = ("", "hard", "medium hard", "easy medium hard")
    truths = [truth(*((box, rng.choice(words)) for box in boxes)) for _ in range(4)]
    detections = [found(*((box, rng.random()) for box in boxes)) for _ in truths]
    assert set(evaluate_widerface(truths, detections).as_dict().values()) == {1.0}


# The protocol once more, straight from its text, with loops


def plain_overlap(a, b):
    ax, ay, ax2, ay2 = a[0], a[1], a[0] + a[2], a[1] + a[3]
    bx, by, bx2, by2 = b[0], b[1], b[0] + b[2], b[1] + b[3]
    width, height = min(ax2, bx2) - max(ax, bx) + 1, min(ay2, by2) - max(ay, by) + 1
    if width <= 0 or height <= 0:
        return 0.0
    sizes = (ax2 - ax + 1) * (ay2 - ay + 1) + (bx2 - bx + 1) * (by2 - by + 1)
    return width * height / (sizes - width * height)


def plain_image(t, d, members, least):
    """Rows (score, counted, newly found) by falling score."""
    found_faces, rows = set(), []
    for score, box in sorted(zip(d.scores, d.boxes_xywh, strict=True), key=lambda row: -row[0]):
        overlaps = [plain_overlap(box, face) for face in t.boxes_xywh]
        best = overlaps.index(max(overlaps))
        hit = overlaps[best] >= least
        new = hit and members[best] and best not in found_faces
        if new:
            found_faces.add(best)
        rows.append((score, not hit or members[best], new))
    return rows


def plain_ap(truths, detections, subset, least):
    everything = [score for d in detections for score in d.scores]
    low, high = min(everything), max([*everything, 2.0**-126])
    faces, rows = 0, []
    for t, d in zip(truths, detections, strict=True):
        members = getattr(t, subset)
        faces += sum(members)
        if len(t.boxes_xywh) and len(d.scores):
            rows += plain_image(t, d, members, least)
    rows = [((score - low) / (high - low), counted, new) for score, counted, new in rows]
    curve_points = []
    for t in range(1, 1001):
        reached = [row for row in rows if row[0] >= 1 - t / 1000]
        hits = sum(new for _, _, new in reached)
        number = sum(counted for _, counted, _ in reached)
        curve_points.append((hits / faces, hits / number if number else 0.0))
    area, before = 0.0, 0.0
    for k, (recall, _) in enumerate(curve_points):
        if recall > before:
            area += (recall - before) * max(precision for _, precision in curve_points[k:])
            before = recall
    return area


@pytest.mark.parametrize("seed", range(6))
def test_same_as_the_plain_writing(seed):
    # Ties; no ties; scores all below 0.
    levels = ((0.1, 0.2, 0.5, 0.9), None, (-1.0, -2.5, -7.0))[seed % 3]
    truths, detections = random_set(seed + 70, 12, levels)
    scores = evaluate_widerface(truths, detections)
    seen = 0.0
    for subset, by_iou in scores.curves.items():
        for iou, result in by_iou.items():
            expected = plain_ap(truths, detections, subset, iou)
            assert result.ap == pytest.approx(expected, abs=1e-12)
            seen += expected
    assert seen > 0
