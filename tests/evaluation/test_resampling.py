"""Figures of any choice of images equal those of a data set that holds these images."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.coco_ap import evaluate_coco
from cascadekit.evaluation.coco_resampling import match_coco
from cascadekit.evaluation.kitti_ap import evaluate_kitti, match_kitti
from cascadekit.evaluation.miss_rate import PersonTruth, evaluate_miss_rate, match_persons
from cascadekit.evaluation.recall import box_recall
from cascadekit.evaluation.resampling import contrast, spread
from cascadekit.evaluation.voc_ap import evaluate_voc, match_voc
from cascadekit.evaluation.widerface_ap import evaluate_widerface, match_faces
from tests.evaluation.makers import Maker, random_case

METRICS = {
    "kitti": (match_kitti, evaluate_kitti),
    "persons": (match_persons, evaluate_miss_rate),
    "faces": (match_faces, evaluate_widerface),
    "voc": (match_voc, evaluate_voc),
}


def case(kind, seed, images=12):
    return getattr(Maker(seed, images), kind)()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", METRICS)
def test_each_image_once(kind, seed):
    """No weights and weights of 1 are the metric itself."""
    match, evaluate = METRICS[kind]
    truths, found = case(kind, seed)
    matches, own = match(truths, found), evaluate(truths, found).as_dict()
    once = np.ones(len(truths), np.int64)
    assert matches.scores().as_dict() == pytest.approx(own, nan_ok=True)
    assert matches.scores(once).as_dict() == pytest.approx(own, nan_ok=True)
    assert not all(math.isnan(value) or value in (0, 1) for value in own.values())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", METRICS)
def test_images_left_out(kind, seed):
    """Weights of 0 and 1 give the figures of the chosen images alone, to the last digit.

    WiderFace's scores are normalised anew, and CityPersons has fewer images to divide by.
    """
    match, evaluate = METRICS[kind]
    truths, found = case(kind, seed)
    weights = np.array([Maker(seed).rng.choice((0, 1)) for _ in truths])
    weights[::3] = 1
    chosen = [i for i, times in enumerate(weights) if times]
    own = evaluate([truths[i] for i in chosen], [found[i] for i in chosen]).as_dict()
    assert match(truths, found).scores(weights).as_dict() == pytest.approx(own, nan_ok=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["kitti", "persons"])
def test_images_twice(kind, seed):
    """Where a curve is read at single scores, copies of an image change nothing but the counts."""
    match, evaluate = METRICS[kind]
    truths, found = case(kind, seed)
    weights = np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12))
    chosen = np.repeat(np.arange(12), weights)
    own = evaluate([truths[i] for i in chosen], [found[i] for i in chosen]).as_dict()
    theirs = match(truths, found).scores(weights).as_dict()
    # The copies' equal scores interleave there and lie side by side here, which the curve of
    # CityPersons does not notice: it is read behind the last of them.
    assert theirs == pytest.approx(own, nan_ok=True)


def test_a_repeated_false_alarm_is_not_yet_too_many():
    """100 images, the first drawn twice: its false alarm alone is 0.01 per image, which is enough.

    Read behind both copies the rate would be 0.02 and the devkit's index would wrap.
    """
    truths = [PersonTruth([[0, 0, 30, 60]], [1.0], [False]) for _ in range(100)]
    away, near = ScoredBoxes([[200, 0, 30, 60]], [9.0]), ScoredBoxes([[0, 0, 30, 60]], [1.0])
    matches = match_persons(truths, [away, *[near] * 99])
    weights = np.array([2, 0, *[1] * 98])
    curve = matches.scores(weights).curves["Reasonable"][0.5]
    assert curve.wrapped == 0
    assert curve.recall_at_points[0] == 0  # the hits come after the second false alarm
    assert curve.recall_at_points[1] == 0  # 0.0178
    assert curve.recall_at_points[2] == pytest.approx(0.98)  # 0.0316


def test_recall_of_chosen_images():
    truths = [np.array([[0, 0, 10, 10]]), np.zeros((0, 4)), np.array([[0, 0, 10, 10]])]
    boxes = [truths[0], truths[0], np.zeros((0, 4))]
    recall = box_recall(boxes, truths, [np.full(len(t), 100.0) for t in truths], (10,))
    assert recall.as_dict()["AR10"] == 0.5
    assert recall.as_dict(np.array([3, 5, 1]))["AR10"] == 0.75
    assert recall.as_dict(np.array([1, 0, 1])) == pytest.approx(recall.as_dict(), nan_ok=True)
    assert math.isnan(recall.as_dict(np.array([0, 1, 0]))["AR10"])


def share_of(hits):
    """A metric of one figure: the share of images that are hit."""
    values = np.asarray(hits, np.float64)

    def figures(weights):
        times = np.ones(len(values)) if weights is None else weights
        return (
            {"share": float(times @ values / times.sum())} if times.sum() else {"share": math.nan}
        )

    return figures


def test_intervals_are_those_of_a_share():
    """Half of 400 images: the interval of a share is about 2 x sqrt(.25 / 400) = .05 each way."""
    found = spread(share_of([0, 1] * 200), 400, 400)
    assert found.values == {"share": 0.5}
    low, high = found.intervals()["share"]
    assert low == pytest.approx(0.45, abs=0.01)
    assert high == pytest.approx(0.55, abs=0.01)


def test_paired_comparison():
    """B hits one image in ten more; unpaired the intervals overlap, paired it is sure."""
    a = [0, 1] * 100
    b = [1 if i % 10 == 0 else hit for i, hit in enumerate(a)]
    first, second = (spread(share_of(hits), 200, 300) for hits in (a, b))
    result = contrast(first, second)
    difference, low, high = result.difference("share")
    assert difference == pytest.approx(0.1)
    assert 0.05 < low < 0.1 < high < 0.16
    assert result.share_better("share") == 1
    assert (result.sign("share"), result.verdict("share")) == (1, "B is better")
    assert first.intervals()["share"][1] > second.intervals()["share"][0]
    back = contrast(second, first)
    assert back.verdict("share") == "A is better"
    # as a miss rate the same difference speaks against B
    worse = contrast(first, second, lower_is_better=True)
    assert (worse.verdict("share"), worse.share_better("share")) == ("A is better", 0)


def test_what_is_not_decided():
    a = spread(share_of([0, 1] * 100), 200, 200)
    assert contrast(a, a).verdict("share") == "not decided on this data"
    assert contrast(a, a).share_better("share") == 0.5  # ties are halves
    # Nine images are too few for any interval, however clear it looks.
    none, everything = (spread(share_of([hit] * 9), 9, 200) for hit in (0, 1))
    assert contrast(none, everything).sign("share") == 0
    assert all(map(math.isnan, none.intervals()["share"]))
    # No draws, no images.
    for images, rounds in ((20, 0), (0, 5)):
        nothing = spread(share_of([1] * images), images, rounds)
        assert contrast(nothing, nothing).sign("share") == 0
        assert all(map(math.isnan, nothing.intervals()["share"]))


def test_faults():
    a = spread(share_of([0, 1] * 10), 20, 5)
    with pytest.raises(InputError, match="same draws"):
        contrast(a, spread(share_of([0, 1] * 10), 20, 5, seed=1))
    other = spread(lambda weights: {"other": 1.0}, 20, 5)
    with pytest.raises(InputError, match="nothing to compare"):
        contrast(a, other)
    with pytest.raises(InputError, match="rounds must be 0 or more"):
        spread(share_of([1]), 1, -1)


@pytest.mark.parametrize("seed", range(3))
def test_coco_of_chosen_images(seed):
    """As of the chosen images alone, all sizes and AR; no weights are `evaluate_coco` itself."""
    truth, found = random_case(seed, ignored=True)
    for k, result in enumerate(found):
        result["score"] += 0.001 * k  # no ties: copies of images lie side by side
    matches = match_coco(truth, found)
    own = evaluate_coco(truth, found).as_dict()
    assert matches.figures() == pytest.approx({k: own[k] for k in matches.figures()}, nan_ok=True)
    ids = sorted(image["id"] for image in truth["images"])
    weights = np.array([1, 0, 1, 1, 0, 1])
    kept = {i for i, times in zip(ids, weights, strict=True) if times}
    part = {**truth, "images": [i for i in truth["images"] if i["id"] in kept]}
    part["annotations"] = [a for a in truth["annotations"] if a["image_id"] in kept]
    of_part = evaluate_coco(part, [r for r in found if r["image_id"] in kept]).as_dict()
    theirs = matches.figures(weights)
    assert theirs == pytest.approx({k: of_part[k] for k in theirs}, nan_ok=True)
