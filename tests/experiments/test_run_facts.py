"""What was run, summed up."""

from dataclasses import replace

import pytest

from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.results import Result, Results
from cascadekit.experiments.run_facts import minutes_of, planned_data, run_facts


def run(arms, data="shapes", seed=0, **more):
    return {
        "address": f"{arms[0]}{data}{seed}",
        "arms": arms,
        "data": data,
        "kind": "shapes" if data == "shapes" else "photos",
        "train_content": None if data == "shapes" else "abc",
        "seed": seed,
        "iterations": 300,
        "minutes": 5.0,
        "threads": 1,
        "code": {"version": "0.1.0", "revision": "1234567890", "changed": False},
        "versions": {"torch": "2.6.0", "python": "3.12.0", "numpy": "2.0"},
        **more,
    }


RUNS = (
    run(["u05", "iterative"]),
    run(["u05", "iterative"], seed=1, iterations=600),
    run(["cascade"], "cards", code={"version": "0.1.0", "revision": None, "changed": True}),
)
MEASURED = (
    Result("u05", "shapes", "small", 0, "scores", {}, minutes=0.5),
    Result("u05", "shapes", "small", 0, "recall", {}, minutes=0.25),
    Result("rfcn", "shapes", "small", 0, "scores", {}, minutes=8.0),
)


def test_facts():
    facts = run_facts(Results(MEASURED, RUNS))
    assert facts.trainings == 3 and facts.minutes == pytest.approx(15 + 8.75)
    assert facts.versions == ("0.1.0 (1234567)", "0.1.0 with changes")
    assert facts.packages == ("python 3.12.0", "torch 2.6.0")
    assert facts.seeds == {"shapes": (0, 1), "cards": (0,)}
    assert facts.contents == {"shapes": "", "cards": "abc"}
    assert facts.iterations == (300, 600) and facts.threads == 1


def test_no_runs():
    facts = run_facts(Results(()))
    assert (facts.trainings, facts.minutes, facts.iterations) == (0, 0, (0, 0))
    assert facts.versions == () and facts.packages == ()


def test_minutes_of_an_experiment():
    # Table 1 reads u05, iterative, integral and cascade: three trainings, each once, and scores.
    table1 = load_experiments(["table1"])["table1"]
    assert minutes_of(table1, Results(MEASURED, RUNS)) == pytest.approx(15 + 0.5)
    assert minutes_of(replace(table1, rows=()), Results(MEASURED, RUNS)) == 0
    nothing = ({**RUNS[0], "minutes": None},)
    assert minutes_of(table1, Results((), nothing)) == 0


def test_plan():
    kinds = {"u05": ("shapes", "photos"), "mask": ("shapes",)}
    assert planned_data(Results((), RUNS), kinds) == {
        "u05": ["shapes", "cards"],
        "mask": ["shapes"],
    }
    coco = Results((), (run(["u05"], "coco", kind="coco"),))
    assert planned_data(coco, kinds) == {"u05": ["coco"], "mask": ["coco"]}
