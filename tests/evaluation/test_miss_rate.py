"""CityPersons' miss rate: each rule worked out by hand, and a plain second writing of it."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.miss_rate import (
    FPPI_POINTS,
    SUBSETS,
    PersonTruth,
    evaluate_miss_rate,
)

# Pedestrians 40 wide and 100 high (x, y, w, h), out of each other's reach.
A, B, C, D = ([200 * i, 100, 40, 100] for i in range(4))
AWAY = [1500, 100, 40, 100]


def truth(*rows):
    """Each row is (box,), (box, visible) or (box, visible, ignored)."""
    full = [(*row, 1.0, False)[:3] if len(row) < 2 else (*row, False)[:3] for row in rows]
    return PersonTruth([row[0] for row in full], [row[1] for row in full], [row[2] for row in full])


def found(*rows):
    """Each row is (box, score)."""
    return ScoredBoxes([row[0] for row in rows], [row[1] for row in rows])


def rates(objects, detections, images=100, **options):
    """One image with boxes and 99 empty ones, so that a false positive is a rate of 0.01."""
    empty = images - 1
    return evaluate_miss_rate(
        [truth(*objects), *[truth()] * empty], [found(*detections), *[found()] * empty], **options
    )


def curve(objects, detections, subset="Reasonable", iou=0.5, **options):
    return rates(objects, detections, ious=(iou,), **options).curves[subset][iou]


def summary(result):
    """Objects, hits and false positives."""
    hits = round(result.recall[-1] * result.objects) if len(result.recall) else 0
    false = round(result.fppi[-1] * result.images) if len(result.fppi) else 0
    return result.objects, hits, false


def test_nine_points_and_their_log_average():
    # Four pedestrians: hit, false, hit, false, hit. FPPI 0, .01, .01, .02, .02; recall 1/4, 1/4,
    # 2/4, 2/4, 3/4. A point reads the LAST rank with FPPI <= point, limits inclusive: .01 and
    # .0178 read 2/4, the other seven 3/4.
    rows = [(A, 0.9), (AWAY, 0.8), (B, 0.7), (AWAY, 0.6), (C, 0.5)]
    result = curve([(A,), (B,), (C,), (D,)], rows)
    assert result.fppi.tolist() == [0.0, 0.01, 0.01, 0.02, 0.02]
    assert result.recall.tolist() == [0.25, 0.25, 0.5, 0.5, 0.75]
    assert result.recall_at_points.tolist() == [0.5, 0.5, *[0.75] * 7]
    expected = math.exp((2 * math.log(0.5) + 7 * math.log(0.25)) / 9)
    assert result.miss_rate == pytest.approx(expected, abs=1e-12)
    assert result.wrapped == 0 and len(FPPI_POINTS) == 9
    # The same with 50 images: FPPI .02 and .04, so .01 and .0178 read the first hit only.
    result = curve([(A,), (B,), (C,), (D,)], rows, images=50)
    assert result.recall_at_points.tolist() == [0.25, 0.25, 0.5, *[0.75] * 6]
    # The points have the devkit's four digits: 19 of 338 are more than 0.0562 and less than
    # 10 ** -1.25 = 0.05623.
    rows = [(A, 0.9), *[(AWAY, 0.8)] * 19, (B, 0.7)]
    result = curve([(A,), (B,), (C,), (D,)], rows, images=338)
    assert result.recall_at_points.tolist() == [*[0.25] * 4, *[0.5] * 5]


@pytest.mark.parametrize(
    "height, visible, subsets",
    [
        # Every limit is inclusive. From 50 px: Reasonable; up to 75 px: Small.
        (50, 1.0, ("Reasonable", "Small", "All")),
        (49.9, 1.0, ("All",)),
        (75, 1.0, ("Reasonable", "Small", "All")),
        (75.1, 1.0, ("Reasonable", "All")),
        (20, 1.0, ("All",)),
        (19.9, 1.0, ()),
        # Visible 0.65 is in Reasonable and in Heavy, 0.2 in Heavy and All.
        (100, 0.65, ("Reasonable", "Heavy", "All")),
        (60, 0.65, ("Reasonable", "Small", "Heavy", "All")),
        (100, 0.64, ("Heavy", "All")),
        (100, 0.2, ("Heavy", "All")),
        (100, 0.19, ()),
        # Heavy has a lower limit on the height and none above.
        (49, 0.5, ("All",)),
    ],
)
def test_who_belongs_to_a_subset(height, visible, subsets):
    person = ([0, 0, 40, height], visible)
    result = rates([person, (B,)], [(person[0], 0.9)])
    for name, by_iou in result.curves.items():
        # B is in Reasonable and All.
        others = name in ("Reasonable", "All")
        # In a subset it is found; elsewhere it is ignored and its detection is dropped.
        assert summary(by_iou[0.5]) == (others + (name in subsets), int(name in subsets), 0)


def test_riders_and_regions_are_ignored_whatever_their_size():
    for by_iou in rates([(A, 1.0, True)], [(A, 0.9)]).curves.values():
        assert summary(by_iou[0.5]) == (0, 0, 0) and math.isnan(by_iou[0.5].miss_rate)


@pytest.mark.parametrize(
    "height, subset, kept",
    [
        # A detection takes part from the lower limit / 1.25, inclusive,
        (40, "Reasonable", True),
        (39.9, "Reasonable", False),
        (16, "All", True),
        (15.9, "All", False),
        # to the upper limit x 1.25, exclusive.
        (93.7, "Small", True),
        (93.75, "Small", False),
        # The limits are those of the subset: there is none above elsewhere.
        (93.75, "Reasonable", True),
        (900, "Heavy", True),
    ],
)
def test_detections_are_filtered_by_height_before_matching(height, subset, kept):
    # A false positive of that height; one filtered away is none.
    result = curve([(A,)], [([1000, 0, 40, height], 0.9)], subset)
    assert len(result.scores) == int(kept)


def test_heights_are_those_of_the_file():
    # In doubles 24.1 + 40 - 24.1 is less than 40; the file says 40, which is kept.
    assert 24.1 + 40 - 24.1 < 40
    assert len(curve([(A,)], [([1000, 24.1, 40, 40], 0.9)]).scores) == 1


@pytest.mark.parametrize(
    "objects, detections, expected",
    [
        # IoU of exactly 0.5 is enough,
        ([(A,)], [([0, 100, 40, 50], 0.9)], (1, 1, 0)),
        # a little less is a false positive.
        ([(A,)], [([0, 100, 40, 49.9], 0.9)], (1, 0, 1)),
        # A second detection of the same pedestrian is a false positive,
        ([(A,)], [(A, 0.9), (A, 0.8)], (1, 1, 1)),
        # the one with the lower score, whatever its overlap.
        ([(A,)], [(A, 0.8), ([0, 100, 40, 60], 0.9)], (1, 1, 1)),
        # Ignored: half of the DETECTION inside is enough, however large the region;
        ([(A,), ([0, 0, 900, 900], 1.0, True)], [([880, 0, 40, 100], 0.9)], (1, 0, 0)),
        # a little less is not.
        ([(A,), ([0, 0, 900, 900], 1.0, True)], [([880.1, 0, 40, 100], 0.9)], (1, 0, 1)),
        # A region swallows any number,
        (
            [(A,), ([200, 0, 900, 900], 1.0, True)],
            [(B, 0.9), (B, 0.9), (C, 0.8)],
            (1, 0, 0),
        ),
        # but pedestrians go first, also for a box that lies wholly in the region,
        ([(A,), ([0, 0, 900, 900], 1.0, True)], [([0, 100, 40, 60], 0.9)], (1, 1, 0)),
        # and only when they are taken, or too far, the region has it.
        ([(A,), ([0, 0, 900, 900], 1.0, True)], [(A, 0.9), (A, 0.8)], (1, 1, 0)),
        # By IoU the region would not have it: the detection covers 1 % of it.
        ([(A,), ([0, 0, 900, 900], 1.0, True)], [(C, 0.9)], (1, 0, 0)),
        # A detection that covers a small region is not inside it.
        ([(A,), ([1000, 0, 30, 50], 1.0, True)], [([1000, 0, 100, 100], 0.9)], (1, 0, 1)),
        # Boxes have no "+1": 20 of 40 px in common with an IoU of 1/3.
        ([(A,)], [([20, 100, 40, 100], 0.9)], (1, 0, 1)),
        # A box without a width is false, and no crash.
        ([(A,)], [([0, 100, 0, 100], 0.9)], (1, 0, 1)),
    ],
)
def test_matching_by_hand(objects, detections, expected):
    assert summary(curve(objects, detections)) == expected


def test_greatest_overlap_then_last_of_equals():
    left, right = [0, 100, 40, 100], [20, 100, 40, 100]
    # [5, ...] overlaps left by 35/45 and right by 25/55: left takes it, so the second finds right.
    rows = [([5, 100, 40, 100], 0.9), ([25, 100, 40, 100], 0.8)]
    assert summary(curve([(left,), (right,)], rows)) == (2, 2, 0)
    # [10, ...] overlaps both by 30/50: the last in the file takes it. Then [-5, ...] finds left
    # (35/45); had left been taken, right would be too far (15/65).
    rows = [([10, 100, 40, 100], 0.9), ([-5, 100, 40, 100], 0.8)]
    assert summary(curve([(left,), (right,)], rows)) == (2, 2, 0)
    assert summary(curve([(right,), (left,)], rows)) == (2, 1, 1)


def test_second_best_pedestrian_when_the_best_is_taken():
    left, right = [0, 100, 40, 100], [10, 100, 40, 100]
    rows = [(left, 0.9), ([1, 100, 40, 100], 0.8)]
    assert summary(curve([(left,), (right,)], rows)) == (2, 2, 0)


def test_stricter_iou_holds_for_regions_too():
    region = ([0, 0, 900, 900], 1.0, True)
    # 0.7 of the height: found at .5, false at .75. 0.7 inside a region: dropped, and false.
    for rows, at_50, at_75 in (
        ([(([1000, 100, 40, 70]), 0.9)], (1, 1, 0), (1, 0, 1)),
        ([(([872, 500, 40, 100]), 0.9)], (1, 0, 0), (1, 0, 1)),
    ):
        result = rates([([1000, 100, 40, 100],), region], rows)
        assert summary(result.curves["Reasonable"][0.5]) == at_50
        assert summary(result.curves["Reasonable"][0.75]) == at_75


def test_a_thousand_detections_per_image_before_the_filter():
    # 1000 better ones that are too low to take part push the hit out of the list.
    low = [([1000, 0, 10, 10], 0.9)] * 1000
    assert summary(curve([(A,)], [(A, 0.5), *low[:999]])) == (1, 1, 0)
    assert summary(curve([(A,)], [(A, 0.5), *low])) == (1, 0, 0)


def test_equal_scores_rank_in_the_order_of_images_and_rows():
    truths = [truth((A,)), truth()]
    hit, miss = found((A, 0.5)), found((A, 0.5))
    result = evaluate_miss_rate(truths, [hit, miss]).curves["Reasonable"][0.5]
    assert result.recall.tolist() == [1.0, 1.0] and result.fppi.tolist() == [0.0, 0.5]
    result = evaluate_miss_rate(truths[::-1], [miss, hit]).curves["Reasonable"][0.5]
    assert result.recall.tolist() == [0.0, 1.0] and result.fppi.tolist() == [0.5, 0.5]
    # Within an image the first row goes first, here the false one.
    result = curve([(A,)], [(AWAY, 0.5), (A, 0.5)])
    assert result.recall.tolist() == [0.0, 1.0]


def test_state_does_not_leak_between_subsets():
    # Ignored as too occluded in Reasonable, the same pedestrian counts in Heavy and All.
    result = rates([(A, 0.3), (B,)], [(A, 0.9), (B, 0.8)])
    by_subset = {name: summary(by_iou[0.5]) for name, by_iou in result.curves.items()}
    assert by_subset == {
        "Reasonable": (1, 1, 0),
        "Small": (0, 0, 0),
        "Heavy": (1, 1, 0),
        "All": (2, 2, 0),
    }


def test_recall_of_one_gives_zero():
    # Hit, false, hit: all nine points, from FPPI .01 on, read a recall of 1, whose log is -inf.
    result = curve([(A,), (B,)], [(A, 0.9), (AWAY, 0.8), (B, 0.7)])
    assert result.recall_at_points.tolist() == [1.0] * 9 and result.miss_rate == 0.0
    # One such point is enough: three of four found until FPPI 1, then all.
    rows = [(A, 0.9), (B, 0.9), (C, 0.9), *[(AWAY, 0.8)] * 100, (D, 0.7)]
    result = curve([(A,), (B,), (C,), (D,)], rows)
    assert result.recall_at_points.tolist() == [*[0.75] * 8, 1.0] and result.miss_rate == 0.0


def test_empty_index_wraps_to_the_end_as_in_the_devkit():
    # Ten images, the best-ranked detection is false: FPPI .1 from the start. No rank is left for
    # the four points below .1; the devkit's index -1 reads the last recall, 2/4.
    rows = [(AWAY, 0.9), (A, 0.8), *[(AWAY, 0.7)] * 20, (B, 0.6)]
    objects = [(A,), (B,), (C,), (D,)]
    result = curve(objects, rows, images=10)
    assert result.wrapped == 4
    # Points .1 to 1 read the ranks up to FPPI 1: one hit.
    assert result.recall_at_points.tolist() == [*[0.5] * 4, *[0.25] * 5]
    # Told to, such a point has found nothing.
    plain = curve(objects, rows, images=10, empty_index="zero")
    assert plain.recall_at_points.tolist() == [*[0.0] * 4, *[0.25] * 5]
    assert plain.wrapped == 4 and plain.miss_rate > result.miss_rate
    # From 100 images on a single false positive fits below the first point.
    assert curve(objects, rows, images=100).wrapped == 0


def test_degenerate_sets():
    # No images; an empty image: nothing to miss.
    for images in ([], [truth()]):
        result = evaluate_miss_rate(images, [found() for _ in images])
        assert all(math.isnan(value) for value in result.as_dict().values())
    # Nothing found: everything is missed, nothing wraps.
    for option in ("wrap", "zero"):
        result = curve([(A,)], [], empty_index=option)
        assert (result.miss_rate, result.wrapped, result.objects) == (1.0, 0, 1)
    # Only detections: nan, with the false positives still counted.
    result = curve([], [(A, 0.9)])
    assert math.isnan(result.miss_rate) and result.fppi.tolist() == [0.01]
    # One pixel wide.
    assert summary(curve([([0, 0, 1, 100],)], [([0, 0, 1, 100], 1.0)])) == (1, 1, 0)


def test_names_of_the_results():
    result = rates([(A,)], [(A, 1.0)])
    assert tuple(result.curves) == tuple(SUBSETS) and result.empty_index == "wrap"
    assert list(result.as_dict())[:3] == ["MR50_Reasonable", "MR75_Reasonable", "MR50_Small"]
    result = rates([(A,)], [(A, 1.0)], ious=(0.6,))
    assert list(result.as_dict()) == [f"MR60_{name}" for name in SUBSETS]


@pytest.mark.parametrize(
    "truths, detections, options, message",
    [
        ([truth((A,))], [], {}, "one entry per image.* got 1 and 0"),
        ([truth()], [found()], {"ious": ()}, r"ious must be different numbers in \(0, 1\]"),
        ([truth()], [found()], {"ious": (50,)}, r"ious must be .* got \(50,\)"),
        ([truth()], [found()], {"empty_index": "warp"}, "Did you mean 'wrap'"),
        (
            [PersonTruth([A], [1.0], [7])],
            [found()],
            {},
            r"truths\[0\].ignored must be True or False for each box",
        ),
        (
            [PersonTruth([A], np.array([0.65], np.float32), [0])],
            [found()],
            {},
            r"truths\[0\].visible must be in double precision, got float32",
        ),
        ([PersonTruth([A], [], [0])], [found()], {}, r"truths\[0\].visible must be \(1,\)"),
        (
            [truth()],
            [ScoredBoxes([A], [0.5, 0.4])],
            {},
            r"detections\[0\].scores must be \(1,\), one per box, got \(2,\)",
        ),
        (
            [truth()],
            [ScoredBoxes([[1, 2, 3, math.inf]], [0.5])],
            {},
            r"detections\[0\].boxes_xywh must be finite, row 0",
        ),
    ],
)
def test_faulty_input_is_named(truths, detections, options, message):
    with pytest.raises(InputError, match=message):
        evaluate_miss_rate(truths, detections, **options)


# Random sets


def random_set(seed, images=40, ties=True):
    rng = random.Random(seed)
    truths, detections = [], []
    for _ in range(images):
        people = []
        for _ in range(rng.randrange(7)):
            height = rng.choice((19, 20, 40, 49, 50, 60, 75, 76, 120))
            box = [10 * rng.randrange(30), 10 * rng.randrange(10), 0.4 * height, height]
            people.append((box, rng.choice((0.1, 0.2, 0.4, 0.65, 1.0)), rng.random() < 0.2))
        rows = []
        for box, *_ in [person for person in people for _ in range(rng.randrange(3))]:
            shift = rng.choice((0, 0, 2, 5))
            rows.append([box[0] + shift, box[1], box[2], box[3] * rng.choice((1, 1, 0.8, 1.25))])
        for _ in range(rng.randrange(3)):
            rows.append([10 * rng.randrange(30), 50, 20, rng.choice((16, 39.9, 40, 93.75, 100))])
        rng.shuffle(rows)
        truths.append(truth(*people))
        levels = (-1, 0.1, 0.2, 0.5)
        detections.append(
            found(*[(row, rng.choice(levels) if ties else rng.random()) for row in rows])
        )
    return truths, detections


@pytest.mark.parametrize("seed", range(4))
def test_a_false_positive_never_lowers_the_miss_rate(seed):
    truths, detections = random_set(seed)
    before = evaluate_miss_rate(truths, detections, empty_index="zero").as_dict()
    for score in (-2.0, 0.15, 9.0):
        worse = list(detections)
        d = worse[seed]
        worse[seed] = ScoredBoxes([*d.boxes_xywh, [3000, 0, 30, 70]], [*d.scores, score])
        after = evaluate_miss_rate(truths, worse, empty_index="zero").as_dict()
        assert all(after[k] >= before[k] or math.isnan(before[k]) for k in before)


def test_a_false_positive_may_lower_what_the_devkit_says():
    # The trap: with few images a false positive on top makes points wrap to the last recall.
    rows = [(A, 0.8), *[(AWAY, 0.7)] * 20, (B, 0.6)]
    objects = [(A,), (B,), (C,), (D,)]
    before = curve(objects, rows, images=10)
    after = curve(objects, [(AWAY, 0.9), *rows], images=10)
    assert after.wrapped and after.miss_rate < before.miss_rate


@pytest.mark.parametrize("seed", range(4))
def test_order_of_images_changes_nothing_without_ties(seed):
    truths, detections = random_set(seed, ties=False)
    order = list(range(len(truths)))
    random.Random(seed).shuffle(order)
    before = evaluate_miss_rate(truths, detections).as_dict()
    after = evaluate_miss_rate([truths[i] for i in order], [detections[i] for i in order])
    assert after.as_dict() == pytest.approx(before, nan_ok=True, abs=1e-15)


def test_perfect_detector():
    truths, _ = random_set(3, images=120)
    perfect = [ScoredBoxes(t.boxes_xywh, [1.0] * len(t.boxes_xywh)) for t in truths]
    result = evaluate_miss_rate(truths, perfect)
    assert set(result.as_dict().values()) == {0.0}


# The protocol once more, straight from its text, with loops

PLAIN_SUBSETS = {
    "Reasonable": ((50, 1e10), (0.65, 1e10)),
    "Small": ((50, 75), (0.65, 1e10)),
    "Heavy": ((50, 1e10), (0.2, 0.65)),
    "All": ((20, 1e10), (0.2, 1e10)),
}


def plain_overlap(detection, box, of_detection):
    x, y, w, h = detection
    x2, y2, w2, h2 = box
    width = min(x + w, x2 + w2) - max(x, x2)
    height = min(y + h, y2 + h2) - max(y, y2)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (w * h) if of_detection else shared / (w * h + w2 * h2 - shared)


def plain_image(t, d, limits, least):
    """(score, hit) of the detections that count, and the number of pedestrians that do."""
    (low, high), (hidden, seen) = limits
    people, regions = [], []
    for box, visible, ignored in zip(t.boxes_xywh, t.visible, t.ignored, strict=True):
        inside = low <= box[3] <= high and hidden <= visible <= seen and not ignored
        (people if inside else regions).append(box)
    ranked = sorted(zip(d.scores, d.boxes_xywh, strict=True), key=lambda pair: -pair[0])[:1000]
    taken, rows = set(), []
    for score, box in ranked:
        if not low / 1.25 <= box[3] < high * 1.25:
            continue
        best, best_overlap = None, least
        for p, person in enumerate(people):
            if p not in taken and plain_overlap(box, person, False) >= best_overlap:
                best, best_overlap = p, plain_overlap(box, person, False)
        if best is not None:
            taken.add(best)
            rows.append((score, True))
        elif not any(plain_overlap(box, region, True) >= least for region in regions):
            rows.append((score, False))
    return rows, len(people)


def plain_miss_rate(truths, detections, subset, least, wrap):
    rows, objects = [], 0
    for t, d in zip(truths, detections, strict=True):
        more, people = plain_image(t, d, PLAIN_SUBSETS[subset], least)
        rows, objects = rows + more, objects + people
    if not objects:
        return math.nan
    rows.sort(key=lambda row: -row[0])
    hits, false, steps = 0, 0, []
    for _, hit in rows:
        hits, false = hits + hit, false + (not hit)
        steps.append((false / len(truths), hits / objects))
    logs = []
    for point in (0.0100, 0.0178, 0.0316, 0.0562, 0.1000, 0.1778, 0.3162, 0.5623, 1.0000):
        reached = [recall for fppi, recall in steps if fppi <= point]
        recall = reached[-1] if reached else (steps[-1][1] if steps and wrap else 0.0)
        logs.append(math.log(1 - recall) if recall < 1 else -math.inf)
    return math.exp(sum(logs) / 9)


@pytest.mark.parametrize("option", ["wrap", "zero"])
@pytest.mark.parametrize("seed", range(6))
def test_same_as_the_plain_writing(seed, option):
    images = (3, 40, 150)[seed % 3]
    truths, detections = random_set(seed + 50, images, ties=seed < 4)
    result = evaluate_miss_rate(truths, detections, empty_index=option)
    for subset, by_iou in result.curves.items():
        for iou, found_rate in by_iou.items():
            expected = plain_miss_rate(truths, detections, subset, iou, option == "wrap")
            assert found_rate.miss_rate == pytest.approx(expected, abs=1e-12, nan_ok=True)
