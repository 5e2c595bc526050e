"""Box functions on numbers worked out by hand."""

import pytest
import torch

from cascadekit.structures import boxes as box_ops


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),  # identical
        ((0, 0, 10, 10), (20, 20, 30, 30), 0.0),  # disjoint
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # touching: width is x2 - x1, no +1
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),  # half of each
        ((0, 0, 10, 10), (0, 0, 10, 5), 0.5),  # one inside the other
        ((3, 4, 4, 5), (3, 4, 4, 5), 1.0),  # one pixel
        ((5, 5, 5, 5), (5, 5, 5, 5), 0.0),  # empty boxes overlap nothing, not even themselves
        ((10, 10, 0, 0), (0, 0, 10, 10), 0.0),  # inverted counts as empty
    ],
)
def test_iou(a, b, expected):
    assert box_ops.iou(boxes(a), boxes(b)).item() == pytest.approx(expected, abs=1e-6)
    assert box_ops.iou_aligned(boxes(a), boxes(b)).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_iou_of_nothing(n, m):
    assert box_ops.iou(torch.zeros(n, 4), torch.zeros(m, 4)).shape == (n, m)


def test_iou_equals_torchvision():
    from torchvision.ops import box_iou

    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 50, 4, generator=generator) * 50
    a[:, 2:] += a[:, :2]
    b[:, 2:] += b[:, :2]
    torch.testing.assert_close(box_ops.iou(a, b), box_iou(a, b))


def test_cover_is_the_share_of_the_first_box():
    inner, outer = boxes((2, 2, 4, 4)), boxes((0, 0, 10, 10))
    assert box_ops.cover(inner, outer).item() == 1.0
    assert box_ops.cover(outer, inner).item() == pytest.approx(0.04)


def test_clip_and_degenerate():
    given = boxes((-5, -5, 5, 5), (90, 90, 120, 130), (200, 0, 210, 10))
    clipped = box_ops.clip(given, 100, 110)
    assert clipped.tolist() == [[0, 0, 5, 5], [90, 90, 110, 100], [110, 0, 110, 10]]
    assert box_ops.is_degenerate(clipped).tolist() == [False, False, True]


@pytest.mark.parametrize(
    "row",
    [
        (5, 5, 5, 9),  # no width
        (5, 5, 9, 5),  # no height: both sides are tested
        (9, 5, 5, 9),  # inverted
        (0, 0, float("nan"), 5),
        (0, 0, float("inf"), 5),
    ],
)
def test_degenerate(row):
    assert box_ops.is_degenerate(boxes(row)).item()
