"""Places of labels."""

from __future__ import annotations

import random

import pytest

from cascadekit.visualization.labels import place_labels


@pytest.mark.parametrize(
    "box, place",
    [
        ((20, 30, 60, 70), (20, 20)),  # on top of the box
        ((20, 4, 60, 70), (20, 4)),  # no room above: inside, at the top
        ((90, 30, 99, 70), (70, 20)),  # runs out to the right: slid to the left
        ((-5, 30, 60, 70), (0, 20)),  # a box that starts outside
        ((50, 50, 51, 51), (50, 40)),  # one pixel
        ((500, 500, 600, 600), None),  # far outside
    ],
)
def test_one_label(box, place):
    assert place_labels([box], [(30, 10)], 100, 100) == [place]


def test_same_box_twice_and_nothing():
    first, second = place_labels([(20, 30, 60, 70)] * 2, [(30, 10)] * 2, 100, 100)
    assert first == (20, 20) and second != first
    assert place_labels([], [], 100, 100) == []
    # A label larger than the picture has no place.
    assert place_labels([(0, 0, 5, 5)], [(200, 10)], 100, 100) == [None]


@pytest.mark.parametrize("seed", range(5))
def test_crowds_never_overlap_or_run_out(seed):
    rng = random.Random(seed)
    boxes, sizes = [], []
    for _ in range(60):
        x, y = rng.uniform(-10, 290), rng.uniform(-10, 190)
        boxes.append((x, y, x + rng.uniform(1, 120), y + rng.uniform(1, 120)))
        sizes.append((rng.uniform(10, 60), 12))
    places = place_labels(boxes, sizes, 300, 200)
    spots = [(*p, p[0] + w, p[1] + h) for p, (w, h) in zip(places, sizes, strict=True) if p]
    assert len(spots) >= 20
    for i, a in enumerate(spots):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= 300 + 1e-9 and a[3] <= 200 + 1e-9
        for b in spots[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
