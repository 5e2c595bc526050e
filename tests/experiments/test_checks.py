"""Statements on numbers, worked by hand."""

import math

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.checks import (
    Check,
    Formula,
    Reading,
    evaluate,
    look_up,
    number_of,
)
from cascadekit.experiments.results import Result, Results
from cascadekit.experiments.statistics import FAILS, HOLDS, OPEN
from tests.experiments.made_up import scores

A, B = (Reading(arm, "scores", "final/bbox/AP") for arm in ("a", "b"))


def check(margin=0.0, direction="above", unit="AP", left=A, right=B, **more):
    return Check("a beats b", left, right, margin, direction, "a test", unit, **more)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", {"x": [1, {"y": 2}]}),
        ("x/0", 1),
        ("x/1/y", 2),
        ("x/2", None),
        ("x/y", None),
        ("z", None),
        ("x/0/y", None),
    ],
)
def test_look_up(path, value):
    assert look_up({"x": [1, {"y": 2}]}, path) == value


@pytest.mark.parametrize("value", [None, True, "1", math.nan, math.inf, [1]])
def test_no_number(value):
    assert math.isnan(number_of(value))


def test_paired_differences():
    # .42 - .40, .43 - .40, .44 - .40: 2, 3, 4 AP; mean 3, half 1.68586 as std is 1.
    result = evaluate(
        check(margin=1.0), scores({"a": [0.42, 0.43, 0.44], "b": [0.4, 0.4, 0.4]}), "shapes"
    )
    assert result.by_seed == pytest.approx({0: 2.0, 1: 3.0, 2: 4.0})
    assert (result.interval.mean, result.interval.std) == pytest.approx((3.0, 1.0))
    assert result.interval.low == pytest.approx(1.31414, abs=1e-5)
    assert (result.verdict, result.note) == (HOLDS, "")


def test_pairing_takes_out_what_seeds_share():
    # Each arm alone spreads over 20 AP, the differences over 0.2.
    results = scores({"a": [0.31, 0.412, 0.511], "b": [0.3, 0.4, 0.5]})
    assert evaluate(check(), results, "shapes").verdict == HOLDS


@pytest.mark.parametrize(
    ("a", "b", "margin", "direction", "verdict", "note"),
    [
        # -2, -3, -4 AP
        ([0.38, 0.37, 0.36], [0.4] * 3, 0.0, "above", FAILS, ""),
        # -1, 0, 1: mean 0 on the margin, whatever the number of seeds
        ([0.39, 0.4, 0.41], [0.4] * 3, 0.0, "above", OPEN, "more than 100 seeds"),
        # 0, 1, 2: [-.69, 2.69]; five seeds, as in the tests of seeds_needed
        ([0.4, 0.41, 0.42], [0.4] * 3, 0.0, "above", OPEN, "about 5 seeds"),
        # .1, .2, .3: [.03, .37] lies within 1
        ([0.401, 0.402, 0.403], [0.4] * 3, 1.0, "within", HOLDS, ""),
        ([0.401, 0.402, 0.403], [0.4] * 3, 1.0, "below", HOLDS, ""),
        ([0.5], [0.4], 0.0, "above", OPEN, "one seed"),
        ([0.5, None], [0.4, 0.4], 0.0, "above", OPEN, "one seed"),  # a pair is missing
        ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6], 0.0, "above", OPEN, "same difference"),
        ([0.5, 0.6], [], 0.0, "above", OPEN, "not run: b: scores final/bbox/AP"),
        ([0.5, None], [None, 0.4], 0.0, "above", OPEN, "no seed has all"),
    ],
)
def test_verdicts(a, b, margin, direction, verdict, note):
    result = evaluate(check(margin, direction), scores({"a": a, "b": b}), "shapes")
    assert result.verdict == verdict and note in result.note
    assert bool(result.note) == bool(note)


def test_another_data_set_has_its_own_numbers():
    result = evaluate(check(), scores({"a": [0.5, 0.6], "b": [0.4, 0.4]}, "cards"), "shapes")
    assert result.interval is None and "not run: a: scores" in result.note


def test_ratios_are_judged_on_a_log_scale():
    # .2 / .4, .1 / .4, .4 / .4: logs -.693, -1.386, 0; geometric mean 1/2, log std .693,
    # half 2.92 x .693 / sqrt 3 = 1.1685: from 1/2 / 3.217 to 1/2 x 3.217.
    results = scores({"a": [0.2, 0.1, 0.4], "b": [0.4, 0.4, 0.4]})
    result = evaluate(check(margin=2.0, direction="below", unit="x"), results, "shapes")
    assert result.by_seed == pytest.approx({0: 0.5, 1: 0.25, 2: 1.0})
    assert result.interval.mean == pytest.approx(0.5)
    assert result.interval.low == pytest.approx(0.5 / 3.2173, abs=1e-4)
    assert result.interval.high == pytest.approx(0.5 * 3.2173, abs=1e-3)
    assert result.verdict == HOLDS
    assert evaluate(check(1.1, "within", "x"), results, "shapes").verdict == OPEN


def test_a_ratio_to_nothing_is_left_out():
    results = scores({"a": [0.2, 0.2], "b": [0.0, 0.4]})
    assert evaluate(check(2.0, unit="x"), results, "shapes").by_seed == pytest.approx({1: 0.5})


def test_a_known_error_decides_from_one_measurement():
    # x 1.25 give or take a tenth: up to x 1.375.
    results = scores({"a": [0.5], "b": [0.4]})
    result = evaluate(check(1.4, "below", "x", error=1.1), results, "shapes")
    assert result.interval.high == pytest.approx(1.375) and result.verdict == HOLDS
    assert evaluate(check(1.3, "below", "x", error=1.1), results, "shapes").verdict == OPEN


def test_formulas():
    gain = Formula("gain", lambda a, b: a - b, (A, B))
    results = scores({"a": [0.5, 0.6, None], "b": [0.4, 0.4, 0.4]})
    # Against a number: every seed has it. 10 and 20 AP, the third seed lacks a.
    result = evaluate(check(left=gain, right=0.0), results, "shapes")
    assert result.by_seed == pytest.approx({0: 10.0, 1: 20.0})
    assert str(gain) == "gain (a: scores final/bbox/AP; b: scores final/bbox/AP)"
    lost = Formula("lost", lambda a: math.nan, (A,))
    assert evaluate(check(left=lost, right=0.0), results, "shapes").by_seed == {}


def test_formulas_take_whole_curves():
    values = {"stage1": {"mean": [0.5, 0.7]}}
    made = Results(tuple(Result("a", "shapes", "small", s, "localisation", values) for s in (0, 1)))
    last = Formula("last", lambda c: c["mean"][-1], (Reading("a", "localisation", "stage1"),))
    result = evaluate(check(left=last, right=0.5, unit="IoU"), made, "shapes")
    assert result.by_seed == pytest.approx({0: 0.2, 1: 0.2})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "> 0.0 AP"),
        ({"direction": "within", "margin": 1.0}, "within ± 1.0 AP"),
        ({"direction": "below", "unit": "x", "margin": 0.5}, "< x 0.50"),
        ({"direction": "within", "unit": "x", "margin": 1.25}, "x 0.80 to x 1.25"),
        ({"unit": "%", "margin": 50.0}, "> 50.0 %"),
    ],
)
def test_what_it_needs(change, text):
    assert check(**change).needs() == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "over"}, "direction must be one of"),
        ({"unit": "ap"}, "Did you mean 'AP'"),
        ({"unit": "x", "margin": 0.0}, "margin is a factor"),
        ({"direction": "within"}, "nothing is equal within 0"),
        ({"direction": "within", "unit": "x", "margin": 1.0}, "nothing is equal within 1"),
    ],
)
def test_statements_that_mean_nothing(change, message):
    with pytest.raises(InputError, match=message):
        check(**change)
