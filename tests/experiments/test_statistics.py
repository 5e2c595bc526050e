"""Intervals and verdicts, by hand."""

import math

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.statistics import (
    FAILS,
    HOLDS,
    OPEN,
    Interval,
    all_of,
    decide,
    known_interval,
    mean_interval,
    seeds_needed,
    t_probability,
    t_quantile,
)


@pytest.mark.parametrize(
    ("degrees", "t95", "t975"),  # from any printed table of Student's t
    [
        (1, 6.314, 12.706),
        (2, 2.920, 4.303),
        (3, 2.353, 3.182),
        (4, 2.132, 2.776),
        (9, 1.833, 2.262),
        (30, 1.697, 2.042),
    ],
)
def test_t(degrees, t95, t975):
    assert t_quantile(0.95, degrees) == pytest.approx(t95, abs=5e-4)
    assert t_quantile(0.975, degrees) == pytest.approx(t975, abs=5e-4)
    assert t_probability(-t95, degrees) == pytest.approx(0.05, abs=1e-4)


def test_t_in_closed_form():
    # One degree: Cauchy, tan(pi (p - 1/2)). Two: (2p - 1) sqrt(2 / (4p (1 - p))).
    assert t_quantile(0.95, 1) == pytest.approx(math.tan(math.pi * 0.45))
    assert t_quantile(0.95, 2) == pytest.approx(0.9 * math.sqrt(2 / (4 * 0.95 * 0.05)))
    assert t_quantile(0.5, 7) == pytest.approx(0)


@pytest.mark.parametrize(("probability", "degrees"), [(0.4, 2), (1.0, 2), (0.95, 0)])
def test_t_of_nothing(probability, degrees):
    with pytest.raises(InputError, match="at least 1 degree of freedom"):
        t_quantile(probability, degrees)


def test_three_seeds():
    # 1, 2, 3: mean 2, std 1, half 2.91999 / sqrt 3 = 1.68586.
    interval = mean_interval([1.0, 2.0, 3.0])
    assert (interval.count, interval.mean, interval.std) == (3, 2.0, 1.0)
    assert interval.low == pytest.approx(0.31414, abs=1e-5)
    assert interval.high == pytest.approx(3.68586, abs=1e-5)


def test_two_seeds_say_little():
    # 1, 2: std .70711, half 6.31375 x .70711 / sqrt 2 = 3.15688.
    interval = mean_interval([1.0, 2.0])
    assert interval.low == pytest.approx(-1.65688, abs=1e-5)


def test_one_seed_says_nothing():
    interval = mean_interval([5.0])
    assert (interval.mean, interval.low, interval.high) == (5.0, -math.inf, math.inf)
    assert math.isnan(interval.std) and not interval.spreads
    assert all(decide(interval, 1.0, d) == OPEN for d in ("above", "below", "within"))


def test_no_seed():
    with pytest.raises(InputError, match="at least one difference"):
        mean_interval([])


def test_equal_differences_do_not_spread():
    # .3 - .2, .4 - .3, .5 - .4 are .1, rounded differently.
    assert not mean_interval([0.3 - 0.2, 0.4 - 0.3, 0.5 - 0.4]).spreads
    assert mean_interval([0.1, 0.1001]).spreads


def test_a_known_error_needs_no_seeds():
    interval = known_interval([1.0], 0.25)
    assert (interval.mean, interval.low, interval.high) == (1.0, 0.75, 1.25)


@pytest.mark.parametrize(
    ("low", "high", "margin", "direction", "verdict"),
    [
        (0.1, 2.0, 0.0, "above", HOLDS),
        (-2.0, -0.1, 0.0, "above", FAILS),
        (-0.1, 2.0, 0.0, "above", OPEN),
        (0.1, 2.0, 0.5, "above", OPEN),  # a gain, but perhaps less than asked for
        (0.0, 2.0, 0.0, "above", OPEN),  # an end on the margin does not decide
        (0.1, 0.4, 0.5, "above", FAILS),  # a gain, and surely less than asked for
        (-2.0, 0.4, 0.5, "below", HOLDS),
        (0.6, 2.0, 0.5, "below", FAILS),
        (0.4, 2.0, 0.5, "below", OPEN),
        (-0.9, 0.9, 1.0, "within", HOLDS),
        (-1.1, 0.9, 1.0, "within", OPEN),
        (1.1, 2.0, 1.0, "within", FAILS),
        (-2.0, -1.1, 1.0, "within", FAILS),
        (-9.0, 9.0, 1.0, "within", OPEN),  # so wide that anything may be
    ],
)
def test_verdicts(low, high, margin, direction, verdict):
    interval = Interval(3, (low + high) / 2, 1.0, low, high)
    assert decide(interval, margin, direction) == verdict


def test_what_cannot_be_decided():
    interval = mean_interval([1.0, 2.0])
    with pytest.raises(InputError, match="Did you mean 'above'"):
        decide(interval, 0.0, "abov")
    with pytest.raises(InputError, match="the margin must be positive"):
        decide(interval, 0.0, "within")


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, OPEN], OPEN),
        ([HOLDS, FAILS], FAILS),
        ([OPEN, FAILS], FAILS),  # one that fails is enough, whatever is open
        ([], OPEN),
    ],
)
def test_joined(verdicts, together):
    assert all_of(verdicts) == together


def test_seeds_needed():
    # Mean 1, std 1, margin 0. n = 4: 2.353 / 2 = 1.177 > 1. n = 5: 2.132 / sqrt 5 = .953 < 1.
    interval = mean_interval([0.0, 1.0, 2.0])
    assert decide(interval, 0.0, "above") == OPEN
    assert seeds_needed(interval, 0.0, "above") == 5
    assert seeds_needed(interval, 1.0, "above") is None  # the mean sits on the margin
    assert seeds_needed(mean_interval([1.0, 1.0]), 0.0, "above") is None
    assert seeds_needed(mean_interval([1.0]), 0.0, "above") is None


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_verdicts_are_wrong_as_often_as_they_say(seeds):
    """With the truth on the margin, one of twenty for either; of 4000 draws that is 200 -+ 14."""
    draws = np.random.default_rng(0).normal(1.0, 2.0, (4000, seeds)).tolist()
    verdicts = [decide(mean_interval(draw), 1.0, "above") for draw in draws]
    for verdict in (HOLDS, FAILS):
        assert 150 < verdicts.count(verdict) < 250
    # Equality within 1, with the truth at 1: it is not called equal more often either.
    equal = [decide(mean_interval(draw), 1.0, "within") for draw in draws]
    assert equal.count(HOLDS) < 250
