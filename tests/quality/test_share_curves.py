import math

import numpy as np
import pytest

from cascadekit.quality.share_curves import (
    GRID,
    choose_thresholds,
    highest,
    share_curve,
    shares_above,
)
from cascadekit.quality.stage_arrivals import MEASURED, Arrivals


def arrivals(ious, weights=None, image=None, images=1):
    count = len(ious)
    return Arrivals(
        stage=0,
        basis=MEASURED,
        ious=np.array(ious, float),
        deltas=np.zeros((count, 4)),
        weights=np.ones(count) if weights is None else np.array(weights, float),
        image=np.zeros(count, int) if image is None else np.array(image),
        num_images=images,
        source="by hand",
    )


@pytest.mark.parametrize(
    ("ious", "weights", "u", "share"),
    [
        ([0.5, 0.6, 0.7, 0.0], None, 0.6, 0.5),  # one on the threshold counts
        ([np.float32(0.7), 0.0], None, 0.7, 0.5),  # float32 0.7 is below 0.7
        ([0.9, 0.1], [1, 3], 0.5, 0.25),  # by weight
        ([0.1, 0.2], None, 0.5, 0.0),  # none
        ([], None, 0.5, math.nan),
        ([0.9], [0], 0.5, math.nan),  # never drawn
    ],
)
def test_shares(ious, weights, u, share):
    assert shares_above(arrivals(ious, weights), [u])[0] == pytest.approx(share, nan_ok=True)


def test_the_band_is_over_images():
    # Two images, one with all positives and one with none: a redrawn set can be either.
    curve = share_curve(arrivals([0.9, 0.9, 0.1, 0.1], image=[0, 0, 1, 1], images=2), None)
    half = np.flatnonzero(GRID == 0.5)[0]
    assert (curve.low[half], curve.shares[half], curve.high[half]) == (0, 0.5, 1)


def test_without_images_known_there_is_no_band():
    curve = share_curve(arrivals([0.9, 0.1], image=[-1, -1]), None)
    assert np.isnan(curve.low).all() and np.isnan(curve.high).all()


def test_the_spread_of_an_extrapolation_is_its_band():
    curve = share_curve(arrivals([0.6, 0.0]), (arrivals([0.5, 0.0]), arrivals([0.8, 0.0])))
    at = [np.flatnonzero(GRID == u)[0] for u in (0.5, 0.7, 0.9)]
    assert curve.low[at].tolist() == [0.5, 0, 0]
    assert curve.high[at].tolist() == [0.5, 0.5, 0]


def falling(at_half, at_eight):
    """A curve that falls in a line from u = .5 to u = .8."""
    return np.interp(GRID, [0.5, 0.8], [at_half, at_eight])


@pytest.mark.parametrize(
    ("shares", "target", "chosen"),
    [
        # Stage 2 loses 1 % per hundredth: 20 % at .56. Stage 3 has 20 % at .70.
        ([(0.25, 0.05), (0.26, 0.0), (0.4, 0.1)], 0.2, (0.5, 0.56, 0.7)),
        # All have far more than 20 %: equal steps to .8.
        ([(0.25, 0.05), (0.6, 0.5), (0.6, 0.5)], 0.2, (0.5, 0.65, 0.8)),
        # Stage 1 has 10 %, so 13 % are asked of the others, not 20.
        ([(0.1, 0.0), (0.19, 0.0), (0.19, 0.0)], 0.2, (0.5, 0.59, 0.59)),
        # Later stages never have enough: u stays.
        ([(0.25, 0.05), (0.1, 0.0), (0.1, 0.0)], 0.2, (0.5, 0.5, 0.5)),
        # Better boxes later, and then worse ones: u does not fall.
        ([(0.25, 0.05), (0.29, 0.19), (0.25, 0.0)], 0.2, (0.5, 0.65, 0.65)),
        ([(0.25, 0.05)], 0.2, (0.5,)),  # one stage
        ([], 0.2, ()),
    ],
)
def test_thresholds(shares, target, chosen):
    assert choose_thresholds([falling(*each) for each in shares], target) == chosen


def test_thresholds_of_unknown_shares():
    nothing = np.full(len(GRID), np.nan)
    assert choose_thresholds([nothing, nothing], 0.2) == (0.5, 0.5)


def test_the_first_threshold_is_the_detectors():
    shares = [falling(0.3, 0.1), falling(0.9, 0.8)]
    assert choose_thresholds(shares, 0.2, first=0.45) == (0.45, 0.8)
    assert choose_thresholds(shares, 0.2, first=0.85) == (0.85, 0.85)  # above our last


@pytest.mark.parametrize(
    ("shares", "least", "u"),
    [
        (falling(0.3, 0.0), 0.15, 0.65),
        (np.zeros(len(GRID)), 0.0, math.nan),  # no positives support nothing
        (np.full(len(GRID), np.nan), 0.1, math.nan),
    ],
)
def test_highest(shares, least, u):
    assert highest(shares, least) == pytest.approx(u, nan_ok=True)
