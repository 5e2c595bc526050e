import numpy as np
import pytest

from cascadekit.evaluation import box_overlap
from cascadekit.evaluation.box_overlap import (
    areas,
    corners,
    cover_of,
    intersections,
    iou_of,
    nearest,
)


def boxes(*rows):
    return np.array(rows, dtype=float).reshape(-1, 4)


UNIT = [0, 0, 10, 10]


@pytest.mark.parametrize(
    "other, extra, shared, iou, cover",
    [
        (UNIT, 0, 100, 1, 1),  # identical
        (UNIT, 1, 121, 1, 1),  # the last pixel counts
        ([20, 0, 30, 10], 0, 0, 0, 0),  # disjoint
        ([10, 0, 20, 10], 0, 0, 0, 0),  # touching: nothing shared,
        ([10, 0, 20, 10], 1, 11, 11 / 231, 1 / 11),  # a column of pixels
        ([5, 0, 15, 10], 0, 50, 1 / 3, 1 / 2),
        ([2, 2, 4, 4], 0, 4, 0.04, 0.04),  # inside
        ([-10, -10, 90, 90], 0, 100, 0.01, 1),  # around
        ([3, 3, 3, 3], 0, 0, 0, 0),  # a point,
        ([3, 3, 3, 3], 1, 1, 1 / 121, 1 / 121),  # which is a pixel
        ([10, 10, 0, 0], 0, 0, 0, 0),  # turned inside out
    ],
)
def test_pairs_by_hand(other, extra, shared, iou, cover):
    a, b = boxes(UNIT), boxes(other)
    inter = intersections(a, b, extra)
    sizes = areas(a, extra)
    assert inter.item() == shared
    assert iou_of(inter, sizes, areas(b, extra)).item() == pytest.approx(iou, abs=1e-15)
    assert cover_of(inter, sizes).item() == pytest.approx(cover, abs=1e-15)
    row, overlap = nearest(a, b, extra)
    assert (row.item(), overlap.item()) == (0, pytest.approx(iou, abs=1e-15))


def test_two_points_share_nothing():
    # 0 / 0 is 0, and NumPy does not warn.
    point = boxes([3, 3, 3, 3])
    inter = intersections(point, point)
    with np.errstate(all="raise"):
        assert iou_of(inter, areas(point), areas(point)).item() == 0
        assert cover_of(inter, areas(point)).item() == 0


def test_no_boxes():
    none, one = boxes(), boxes(UNIT)
    assert intersections(none, one).shape == (0, 1) and intersections(one, none).shape == (1, 0)
    assert areas(none).shape == (0,) and corners(none).shape == (0, 4)
    assert [len(part) for part in nearest(none, one)] == [0, 0]
    assert [part.tolist() for part in nearest(one, none)] == [[0], [0.0]]


def test_corners_add_nothing():
    assert corners(boxes([1, 2, 3, 4])).tolist() == [[1, 2, 4, 6]]


@pytest.mark.parametrize("block", [1, 6, 7, 1000])
def test_nearest_in_blocks(monkeypatch, block):
    monkeypatch.setattr(box_overlap, "BLOCK", block)
    others = boxes([0, 0, 10, 10], [4, 0, 14, 10], [50, 0, 60, 10])
    # Nearest to each; the first where two overlap equally; 0 where none does.
    rows = boxes([0, 0, 10, 10], [3, 0, 13, 10], [2, 0, 12, 10], [52, 0, 62, 10], [80, 0, 90, 10])
    row, overlap = nearest(rows, others)
    assert row.tolist() == [0, 1, 0, 2, 0]
    assert overlap == pytest.approx([1, 90 / 110, 80 / 120, 80 / 120, 0], abs=1e-15)
