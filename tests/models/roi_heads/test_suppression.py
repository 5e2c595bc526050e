"""Soft-NMS and box voting by hand, and against plain loops."""

import math

import numpy as np
import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.roi_heads import suppression
from cascadekit.models.roi_heads.postprocess import Postprocess
from cascadekit.models.roi_heads.suppression import soft_nms, vote
from cascadekit.structures.samples import ImageInfo

INFO = ImageInfo((100, 100), (100, 100))
# IoU of the first with the others: 0.8, 0.5, 0.25, 0.
BOXES = torch.tensor(
    [[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [0, 0, 5, 5], [50, 50, 51, 51]]
)
ONE = torch.zeros(5, dtype=torch.int64)


def gauss(iou, sigma=0.5):
    return math.exp(-(iou**2) / sigma)


def close(actual, expected):
    torch.testing.assert_close(actual, torch.tensor(expected))


@pytest.mark.parametrize(
    ("rows", "scores", "kept", "lowered"),
    [
        # Alone: nothing happens.
        ([0], [0.9], [0], [0.9]),
        # IoU 0.8 is above 0.5: 0.8 * (1 - 0.8).
        ([0, 1], [0.9, 0.8], [0, 1], [0.9, 0.16]),
        # Order of the input does not matter, only the scores.
        ([1, 0], [0.8, 0.9], [1, 0], [0.9, 0.16]),
        # IoU of exactly the threshold, and below: untouched.
        ([0, 2, 3], [0.9, 0.8, 0.7], [0, 1, 2], [0.9, 0.8, 0.7]),
        # Disjoint, and one pixel large.
        ([0, 4], [0.9, 0.8], [0, 1], [0.9, 0.8]),
        # The same box twice: the second falls to 0, below min_score.
        ([0, 0], [0.9, 0.9], [0], [0.9]),
        # Lowered twice, by (1 - 0.8) and by its IoU with the second taken, 5/8 -> 1 - 0.625. The
        # third is taken second: untouched by the first (0.5), it overtakes.
        ([0, 1, 2], [0.9, 0.8, 0.7], [0, 2, 1], [0.9, 0.7, 0.8 * 0.2 * 0.375]),
        # Below min_score from the start.
        ([0, 4], [0.9, 0.0001], [0], [0.9]),
        # Only boxes below min_score.
        ([0, 4], [0.0001, 0.0001], [], []),
    ],
)
def test_linear(rows, scores, kept, lowered):
    found = soft_nms(BOXES[rows], torch.tensor(scores), ONE[rows], "linear", 0.5)
    assert found[0].tolist() == kept
    close(found[1], lowered)


@pytest.mark.parametrize(
    ("rows", "scores", "kept", "lowered"),
    [
        ([0], [0.9], [0], [0.9]),
        ([0, 1], [0.9, 0.8], [0, 1], [0.9, 0.8 * gauss(0.8)]),
        # No threshold: an IoU of 0.25 lowers too.
        ([0, 3], [0.9, 0.8], [0, 1], [0.9, 0.8 * gauss(0.25)]),
        ([0, 4], [0.9, 0.8], [0, 1], [0.9, 0.8]),
        # The same box twice is not dropped: exp(-2).
        ([0, 0], [0.9, 0.9], [0, 1], [0.9, 0.9 * gauss(1)]),
        # The second falls to 0.2224, behind the third's 0.7 * exp(-0.5) = 0.4246, which lowers it.
        (
            [0, 1, 2],
            [0.9, 0.8, 0.7],
            [0, 2, 1],
            [0.9, 0.7 * gauss(0.5), 0.8 * gauss(0.8) * gauss(0.625)],
        ),
    ],
)
def test_gaussian(rows, scores, kept, lowered):
    found = soft_nms(BOXES[rows], torch.tensor(scores), ONE[rows], "gaussian")
    assert found[0].tolist() == kept
    close(found[1], lowered)


def test_sigma():
    scores = torch.tensor([0.9, 0.8])
    _, lowered = soft_nms(BOXES[:2], scores, ONE[:2], "gaussian", sigma=0.1)
    close(lowered, [0.9, 0.8 * math.exp(-6.4)])


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_equal_scores_keep_their_order(method):
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 0, 6, 1], [9, 0, 10, 1], [20, 0, 21, 1]])
    scores, groups = torch.tensor([0.5, 0.6, 0.5, 0.5]), torch.tensor([1, 0, 0, 1])
    rows, lowered = soft_nms(boxes, scores, groups, method)
    assert rows.tolist() == [1, 0, 2, 3]
    close(lowered, [0.6, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_of_two_equal_boxes_the_first_is_taken(method):
    rows, lowered = soft_nms(BOXES[[4, 0, 0]], torch.tensor([0.9, 0.7, 0.7]), ONE[:3], method)
    assert rows.tolist()[:2] == [0, 1]
    assert lowered[1] == 0.7


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_groups_do_not_touch(method):
    boxes, scores = BOXES[[0, 0, 0]], torch.tensor([0.7, 0.9, 0.8])
    rows, lowered = soft_nms(boxes, scores, torch.tensor([900, -7, 3]), method)
    assert rows.tolist() == [1, 2, 0]
    close(lowered, [0.9, 0.8, 0.7])


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_no_boxes(method):
    rows, scores = soft_nms(torch.zeros(0, 4), torch.zeros(0), ONE[:0], method)
    assert rows.shape == scores.shape == (0,)
    assert rows.dtype == torch.int64 and scores.dtype == torch.float32


def test_empty_boxes_lower_nothing():
    boxes = torch.tensor([[3.0, 3, 3, 3], [0, 0, 10, 10], [3, 3, 3, 3]])
    rows, scores = soft_nms(boxes, torch.tensor([0.9, 0.8, 0.7]), ONE[:3], "linear", 0.0)
    assert rows.tolist() == [0, 1, 2]
    close(scores, [0.9, 0.8, 0.7])


def test_an_unknown_method():
    with pytest.raises(InputError, match="'linear' or 'gaussian', got 'hard'"):
        soft_nms(BOXES, torch.rand(5), ONE, "hard")


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return inter / (sum(areas) - inter)


def plain_soft_nms(boxes, scores, groups, method, iou_threshold, sigma, min_score):
    """One box at a time, in lists of plain numbers."""
    left = {i: float(score) for i, score in enumerate(scores) if score >= min_score}
    taken = {}
    while left:
        best = min(left, key=lambda i: (-left[i], i))
        taken[best] = left.pop(best)
        for i in [i for i in left if groups[i] == groups[best]]:
            iou = overlap(boxes[best], boxes[i])
            if method == "gaussian":
                left[i] *= math.exp(-(iou**2) / sigma)
            elif iou > iou_threshold:
                left[i] *= 1 - iou
            if left[i] < min_score:
                del left[i]
    order = sorted(taken, key=lambda i: (-taken[i], i))
    return order, [taken[i] for i in order]


def random_boxes(count, classes, seed):
    """Boxes in heaps, so that many overlap; float64 numpy."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 4, (count, 2)) * 30 + rng.uniform(0, 12, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(8, 30, (count, 2))], 1)
    return boxes, rng.uniform(0, 1, count), rng.integers(0, classes, count)


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize(("count", "classes"), [(1, 1), (60, 1), (200, 3), (150, 40)])
def test_a_plain_loop_agrees(method, count, classes):
    boxes, scores, groups = random_boxes(count, classes, seed=count)
    settings = {"iou_threshold": 0.3, "sigma": 0.4, "min_score": 0.01}
    order, lowered = plain_soft_nms(boxes, scores, groups, method, **settings)
    arrays = [torch.from_numpy(a) for a in (boxes, scores, groups)]
    rows, found = soft_nms(*arrays, method, **settings)
    assert rows.tolist() == order  # in float64 there are no near ties
    np.testing.assert_allclose(found.numpy(), lowered, rtol=1e-6)
    # float32 may swap what is almost equal, but the scores by row are the same.
    rows32, found32 = soft_nms(arrays[0].float(), arrays[1].float(), arrays[2], method, **settings)
    common = dict(zip(rows32.tolist(), found32.tolist(), strict=True))
    assert set(common) == set(order)
    for row, score in zip(order, lowered, strict=True):
        assert common[row] == pytest.approx(score, rel=1e-4)


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_a_limit_gives_the_head_of_the_list(method, limit):
    boxes, scores, groups = (torch.from_numpy(a) for a in random_boxes(120, 2, seed=0))
    scores = (scores * 8).round() / 8  # with ties
    every = soft_nms(boxes, scores, groups, method)
    some = soft_nms(boxes, scores, groups, method, limit=limit)
    assert len(every[0]) > 7
    for one, all_ in zip(some, every, strict=True):
        assert torch.equal(one, all_[:limit])


@pytest.mark.parametrize(
    ("iou", "expected"),
    [
        (0.9, [0.0, 0, 10, 10]),  # nobody but itself
        (0.8, [0.0, 0, 10, (0.9 * 10 + 0.6 * 8) / 1.5]),  # an IoU of exactly 0.8 votes
        (0.5, [0.0, 0, 10, (0.9 * 10 + 0.6 * 8 + 0.3 * 5) / 1.8]),
    ],
)
def test_vote(iou, expected):
    scores = torch.tensor([0.9, 0.6, 0.3, 0.2, 0.1])
    close(vote(BOXES[:1], ONE[:1], BOXES, scores, ONE, iou), [expected])


def test_other_classes_do_not_vote():
    scores, labels = torch.tensor([0.9, 0.6]), torch.tensor([4, 2])
    voted = vote(BOXES[:2], labels, BOXES[:2], scores, labels, 0.1)
    close(voted, BOXES[:2].tolist())


@pytest.mark.parametrize(
    ("kept", "boxes", "scores"),
    [
        (0, 0, 0.5),  # nothing at all
        (0, 5, 0.5),  # nothing kept
        (2, 0, 0.5),  # nobody to vote: the boxes stay
        (2, 5, 0.0),  # votes without weight
    ],
)
def test_no_votes(kept, boxes, scores):
    weights = torch.full((boxes,), scores)
    voted = vote(BOXES[:kept], ONE[:kept], BOXES[:boxes], weights, ONE[:boxes], 0.5)
    assert torch.equal(voted, BOXES[:kept])


def test_a_plain_loop_votes_alike(monkeypatch):
    boxes, scores, groups = random_boxes(150, 3, seed=5)
    kept = list(range(0, 150, 4))
    expected = []
    for k in kept:
        same = [i for i in range(150) if groups[i] == groups[k]]
        rows = [i for i in same if overlap(boxes[k], boxes[i]) >= 0.4]
        expected.append(np.average(boxes[rows], axis=0, weights=scores[rows]))
    arrays = [torch.from_numpy(boxes).float(), torch.from_numpy(scores).float()]
    groups = torch.from_numpy(groups)
    everything = (arrays[0][kept], groups[kept], *arrays, groups, 0.4)
    whole = vote(*everything)
    np.testing.assert_allclose(whole.numpy(), np.array(expected), rtol=1e-4)
    # However few pairs fit in memory.
    for pairs in (1, 400):
        monkeypatch.setattr(suppression, "MOST_PAIRS", pairs)
        torch.testing.assert_close(vote(*everything), whole)


def test_postprocess_chooses():
    boxes = BOXES[[0, 1, 4]][:, None]  # (3, 1, 4), IoU of the first two 0.8
    scores = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]])
    hard = Postprocess()(boxes, scores, INFO)
    assert hard.roi_index.tolist() == [0, 2]
    soft = Postprocess(nms="linear")(boxes, scores, INFO)
    assert soft.roi_index.tolist() == [0, 2, 1]
    close(soft.scores, [0.9, 0.5, 0.6 * 0.2])
    assert torch.equal(soft.boxes, BOXES[[0, 4, 1]])
    gaussian = Postprocess(nms="gaussian", sigma=0.3)(boxes, scores, INFO)
    close(gaussian.scores, [0.9, 0.5, 0.6 * gauss(0.8, 0.3)])
    assert len(Postprocess(nms="gaussian", min_score=0.3)(boxes, scores, INFO)) == 2
    assert len(Postprocess(nms="linear", max_detections=2)(boxes, scores, INFO)) == 2
    voted = Postprocess(vote_iou=0.7)(boxes, scores, INFO)
    assert voted.roi_index.tolist() == [0, 2]
    close(voted.boxes[0], [0.0, 0, 10, (0.9 * 10 + 0.6 * 8) / 1.5])
    close(voted.scores, [0.9, 0.5])  # scores stay


def test_votes_weigh_what_soft_nms_has_not_touched():
    boxes, scores = BOXES[[0, 1]][:, None], torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    found = Postprocess(nms="linear", vote_iou=0.7)(boxes, scores, INFO)
    mean = (0.9 * 10 + 0.6 * 8) / 1.5  # with 0.6, not with the lowered 0.12
    close(found.boxes, [[0.0, 0, 10, mean]] * 2)


@pytest.mark.parametrize("settings", [{"nms": "linear"}, {"nms": "gaussian"}, {"vote_iou": 0.9}])
def test_postprocess_finds_nothing(settings):
    for boxes in (torch.zeros(0, 1, 4), torch.full((1, 1, 4), torch.nan)):
        assert len(Postprocess(**settings)(boxes, torch.full((len(boxes), 3), 0.3), INFO)) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nms": "gausian"}, "nms must be one of hard, linear, gaussian.*mean 'gaussian'"),
        ({"sigma": 0.0}, "sigma of the gaussian nms must be above 0, got 0.0"),
        ({"vote_iou": 1.5}, "vote_iou must be above 0 and at most 1, or None, got 1.5"),
        ({"vote_iou": 0.0}, "vote_iou"),
    ],
)
def test_faults(settings, message):
    with pytest.raises(InputError, match=message):
        Postprocess(**settings)
