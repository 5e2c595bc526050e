"""Numbers of rows over seeds."""

import math
from dataclasses import replace

import pytest

from cascadekit.experiments.cost_records import FULL_SIZE
from cascadekit.experiments.experiment import Experiment, Row
from cascadekit.experiments.readout import Spread, View, compared, seeds_text
from cascadekit.experiments.results import Result, Results
from tests.experiments.made_up import joined, scores

ROW = Row("a", "a", {"scores": "final/bbox"})
EXPERIMENT = Experiment("x", "X", "Table 0", "Why?", (ROW,), ("table",), data=("shapes", "cards"))


def test_spread():
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14 over 2.
    spread = Spread({0: 1.0, 1: 2.0, 2: 6.0})
    assert (spread.count, spread.mean) == (3, 3.0)
    assert spread.std == pytest.approx(math.sqrt(7))
    assert math.isnan(Spread({0: 1.0}).std)


def test_what_a_row_reads():
    view = View(scores({"a": [0.5, None, 0.7]}), ("shapes",))
    assert view.spread(ROW, "AP", "shapes", 100).by_seed == pytest.approx({0: 50.0, 2: 70.0})
    assert view.spread(ROW, "AP90", "shapes") is None
    assert view.spread(ROW, "AP", "cards") is None
    assert view.values(ROW, "cost", "shapes") == {}
    curves = Row("a", "a", {"localisation": "stage1"})
    assert view.spread(curves, "mean", "shapes") is None  # no number to put in a cell


def test_missing_numbers_are_left_out():
    values = {"final": {"bbox": {"AP": None}}}  # as nan is stored
    results = Results((Result("a", "shapes", "small", 0, "scores", values),))
    assert View(results, ("shapes",)).spread(ROW, "AP", "shapes") is None


def test_photos_of_any_name_take_the_place_of_the_cards():
    names = ("shapes", "my_photos", FULL_SIZE)
    view = View(scores({}), names)
    assert view.data_of(EXPERIMENT) == ("shapes", "my_photos")
    assert view.data_of(replace(EXPERIMENT, data=(FULL_SIZE,))) == (FULL_SIZE,)


def test_what_is_missing():
    results = joined(scores({"a": [0.5]}), scores({}, "cards"))
    view = View(results, ("shapes", "cards"))
    assert view.missing(EXPERIMENT) == ("a: scores on cards",)
    assert view.any_result(EXPERIMENT) and not View(scores({}), ()).any_result(EXPERIMENT)
    # What is not planned is not missing.
    assert View(results, ("shapes", "cards"), {"a": ["shapes"]}).missing(EXPERIMENT) == ()


def test_given_rows_are_at_full_size_alone():
    view = View(scores({}), ("shapes", FULL_SIZE))
    given = replace(ROW, given=True)
    assert [view.planned(given, d) for d in view.data] == [False, True]
    assert [view.planned(ROW, d) for d in view.data] == [True, False]


def test_compared():
    first, second = Spread({0: 3.0, 1: 6.0}), Spread({1: 2.0, 2: 9.0})
    assert compared(first, second).by_seed == {1: 4.0}
    assert compared(first, second, ratio=True).by_seed == {1: 3.0}
    assert compared(first, Spread({5: 1.0})) is None
    assert compared(first, None) is None
    assert compared(first, Spread({0: 0.0}), ratio=True) is None


@pytest.mark.parametrize(
    ("counts", "text"),
    [([], "no seeds"), ([1], "1 seed"), ([3, 3], "3 seeds"), ([1, 3], "1 to 3 seeds")],
)
def test_seeds_text(counts, text):
    assert seeds_text(counts) == text
