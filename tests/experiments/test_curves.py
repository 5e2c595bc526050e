"""Numbers read off curves."""

import math

import pytest

from cascadekit.experiments.curves import gain_between, gap_between

EDGES = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def curve(means, counts=(100, 100, 100, 100, 100)):
    return {"edges": EDGES, "mean": list(means), "count": list(counts)}


# Middles .55 .65 .75 .85 .95: above, above, above, below, below.
FIRST = curve([0.70, 0.75, 0.80, 0.80, 0.85], (50, 30, 10, 40, 9))


def test_gain_between():
    # .75 - .65 and .80 - .75, each bin alike though one has three times the boxes.
    assert gain_between(FIRST, 0.6, 0.8) == pytest.approx((0.10 + 0.05) / 2)
    assert gain_between(FIRST, 0.8, 0.9) == pytest.approx(-0.05)


def test_gains_are_over_the_inputs_own_mean_where_it_is_known():
    # Boxes of the bin .8 to .9 came in at .82, not .85: they lose .02, not .05.
    known = {**FIRST, "input": [0.55, 0.65, 0.75, 0.82, None]}
    assert gain_between(known, 0.8, 0.9) == pytest.approx(-0.02)


def test_gap_between():
    # Only bins that are known in both: of .65 and .75 the second has the first alone.
    second = curve([0.6, 0.6, None, 0.9, 0.9])
    assert gap_between(FIRST, second, 0.6, 0.8) == pytest.approx(0.15)
    assert gap_between(second, FIRST, 0.8, 1.0) == pytest.approx(0.1)  # 9 boxes decide nothing
    # Boxes that come in .02 better and leave .05 better gained .03 more.
    inputs = [0.55, 0.67, 0.75, 0.85, 0.95]
    better = {**curve([0.7, 0.8, 0.8, 0.8, 0.85]), "input": inputs}
    assert gap_between(better, FIRST, 0.6, 0.7) == pytest.approx(0.03)


@pytest.mark.parametrize("empty", [{}, curve([None] * 5), curve([0.9] * 5, [9] * 5)])
def test_nothing_to_read(empty):
    assert math.isnan(gain_between(empty, 0.5, 1.0))
    assert math.isnan(gap_between(FIRST, empty, 0.5, 1.0))
