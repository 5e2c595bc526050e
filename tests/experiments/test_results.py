"""Numbers of runs, from folders and from one file."""

import math
from dataclasses import asdict

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.results import (
    Result,
    Results,
    load_results,
    number_at,
    results_of_runs,
    save_results,
)
from cascadekit.whole_file import write_json

VALUES = {"final": {"bbox": {"AP": 0.5, "AP90": None}}, "list": [1, 2.5], "word": "x"}


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("final/bbox/AP", 0.5),
        ("list/1", 2.5),
        ("list/0", 1.0),
        ("final/bbox/AP90", math.nan),  # None stands for what is not known
    ],
)
def test_paths(path, number):
    assert number_at(VALUES, path, "it") == pytest.approx(number, nan_ok=True)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("final/segm/AP", ["'segm'", "bbox"]),
        ("list/2", ["'2'"]),
        ("list/x", ["'x'"]),
        ("word", ["no number", "str"]),
        ("final", ["no number", "dict"]),
        ("", ["no number"]),
    ],
)
def test_paths_that_lead_nowhere(path, words):
    with pytest.raises(InputError) as caught:
        number_at(VALUES, path, "scores of x")
    assert "scores of x" in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def result(arm="u05", seed=0, data="shapes", measure="scores", values=VALUES, **more):
    return Result(arm, data, "small", seed, measure, values, **more)


def test_values_and_numbers_by_seed():
    results = Results((result(seed=1), result(seed=0), result("cascade"), result(data="cards")))
    assert list(results.values("u05", "scores", "shapes")) == [0, 1]
    assert results.numbers("u05", "scores", "final/bbox/AP", "shapes") == {0: 0.5, 1: 0.5}
    assert results.values("u05", "recall", "shapes") == {}
    assert results.data_names() == ("shapes", "cards") and results.seeds() == (0, 1)


def test_no_results():
    assert Results(()).data_names() == () and Results(()).minutes() == 0


def put(root, address, results, budget="small"):
    record = {"address": address, "arms": ["u05"], "seed": 0, "budget": budget, "minutes": 2.0}
    write_json(root / "runs" / address / "record.json", {**record, "secret": "/a/path"})
    for n, each in enumerate(results):
        write_json(root / "runs" / address / "measures" / f"{n}.json", asdict(each))


def test_from_folders_and_back(tmp_path):
    put(tmp_path, "a", [result(minutes=0.5)])
    put(tmp_path, "b", [result("cascade")], budget="smoke")
    write_json(tmp_path / "runs" / "c" / "measures" / "x.json", asdict(result("u06")))  # no record
    found = results_of_runs(tmp_path, "small")
    assert [r.arm for r in found.results] == ["u05"]
    assert found.minutes() == 2.5 and "secret" not in found.runs[0]
    save_results(found, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == found


def test_the_latest_of_several_counts(tmp_path):
    older = result(values={"AP": 1}, made="2026-01-01T00:00:00")
    newer = result(values={"AP": 2}, made="2026-01-02T00:00:00")
    put(tmp_path, "a", [newer, older])
    (found,) = results_of_runs(tmp_path, "small").results
    assert found.values == {"AP": 2}


def test_no_runs(tmp_path):
    assert results_of_runs(tmp_path, "small") == Results((), ())


def test_a_file_of_another_kind(tmp_path):
    write_json(tmp_path / "x.json", {"results": [{"arm": "u05"}], "runs": []})
    with pytest.raises(InputError, match="no file of results"):
        load_results(tmp_path / "x.json")
