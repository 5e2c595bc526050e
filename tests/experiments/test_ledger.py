"""Claims of several statements on several data sets."""

import json

import pytest

from cascadekit.experiments.checks import Check, Claim, Reading
from cascadekit.experiments.cost_records import FULL_SIZE, read_costs
from cascadekit.experiments.ledger import judge, ledger_json
from cascadekit.experiments.report import with_costs
from cascadekit.experiments.statistics import FAILS, HOLDS, OPEN
from tests.experiments.made_up import joined, scores


def beats(left, right, **more):
    sides = [Reading(arm, "scores", "final/bbox/AP") for arm in (left, right)]
    return Check(f"{left} beats {right}", *sides, 0.0, "above", "a test", **more)


BOTH = Claim("C1", "a is the best.", "Table 0", (beats("a", "b"), beats("a", "c")))
UP, DOWN, FLAT = [0.42, 0.43, 0.44], [0.38, 0.37, 0.36], [0.39, 0.40, 0.41]
BASE = [0.4, 0.4, 0.4]


def verdict(shapes, cards=None, plan=None):
    results = joined(scores(shapes, "shapes"), scores(cards or {}, "cards"))
    return judge([BOTH], results, ["shapes", "cards"], plan).verdicts[0]


@pytest.mark.parametrize(
    ("b", "c", "together"),
    [
        (BASE, BASE, HOLDS),
        (BASE, UP[::-1], OPEN),  # 2 - 4, 3 - 3, 4 - 2: [-2, 2] around 0
        (BASE, [0.5, 0.52, 0.51], FAILS),
        (BASE, [], OPEN),  # one statement was not run
        (BASE, [0.4], OPEN),
    ],
)
def test_all_statements_of_a_claim(b, c, together):
    found = verdict({"a": UP, "b": b, "c": c})
    assert found.verdict == together and [part.data for part in found.by_data] == ["shapes"]


def test_every_data_set():
    good = {"a": UP, "b": BASE, "c": BASE}
    assert verdict(good, good).summary() == "holds (shapes, cards)"
    # One data set refutes it.
    found = verdict(good, {**good, "a": DOWN})
    assert found.summary() == "does not hold (shapes: holds; cards: does not hold)"
    found = verdict(good, {**good, "a": FLAT})
    assert found.summary() == "not decided at this budget (shapes: holds; cards: not decided)"


def test_nothing_was_run():
    found = verdict({})
    assert (found.verdict, found.by_data) == (OPEN, ())
    assert found.summary() == "not decided at this budget (not run)"


def test_statements_that_are_not_planned_somewhere():
    plan = {"a": ("shapes", "cards"), "b": ("shapes", "cards"), "c": ("shapes",)}
    good = {"a": UP, "b": BASE}
    found = verdict({**good, "c": BASE}, good, plan)
    assert found.summary() == "holds (shapes, cards)"
    assert found.not_planned == {"cards": ("a beats c",)}
    # Planned, and not run: that is not the same.
    assert verdict({**good, "c": BASE}, good).verdict == OPEN


def test_costs_at_full_size(tmp_path):
    rows = [
        {"name": "base", "seconds": 1.0, "step_seconds": 2, "gflops": 3, "megabytes": 4},
        {"name": "cascade_base", "seconds": 1.25, "step_seconds": 2, "gflops": 3, "megabytes": 4},
    ]
    (tmp_path / "table6.json").write_text(json.dumps(rows))
    seconds = [Reading(arm, "cost", "seconds_per_image") for arm in ("cascade_base", "base")]
    check = Check("cheap", *seconds, 1.4, "below", "a test", "x", error=1.1, data=(FULL_SIZE,))
    claim = Claim("C16", "It is cheap.", "Table 6", (check, beats("a", "b")))
    results = with_costs(scores({"a": UP, "b": BASE}), tmp_path)
    found = judge([claim], results, ["shapes", FULL_SIZE]).verdicts[0]
    # Each data set has the statements that are about it, and no others.
    assert [(p.data, len(p.checks), p.verdict) for p in found.by_data] == [
        ("shapes", 1, HOLDS),
        (FULL_SIZE, 1, HOLDS),
    ]


def test_the_costs_of_the_documentation_are_read():
    from pathlib import Path

    costs = read_costs(Path(__file__).parents[2] / "docs" / "cost")
    assert costs["cascade_fpn_plus_r50"]["gflop"] > costs["fpn_plus_r50"]["gflop"] > 100


def test_counting_and_json():
    ledger = judge([BOTH], scores({"a": UP, "b": BASE, "c": UP[::-1]}), ["shapes"])
    assert (ledger.count(OPEN), ledger.count(HOLDS), ledger.decided()) == (1, 0, 1)
    assert "1 statements were decided" in ledger.notes()[0]
    (entry,) = json.loads(json.dumps(ledger_json(ledger), allow_nan=False))
    first, second = entry["data"][0]["checks"]
    assert entry["claim"] == "C1" and first["verdict"] == HOLDS and second["verdict"] == OPEN
    assert first["by_seed"] == pytest.approx({"0": 2.0, "1": 3.0, "2": 4.0})
    assert first["interval"]["count"] == 3 and first["needs"] == "> 0.0 AP"


def test_one_seed_has_no_bounds_in_json():
    ledger = judge([BOTH], scores({"a": [0.5], "b": [0.4]}), ["shapes"])
    check = ledger_json(ledger)[0]["data"][0]["checks"][0]
    assert check["interval"]["mean"] == pytest.approx(10.0) and check["interval"]["low"] is None
