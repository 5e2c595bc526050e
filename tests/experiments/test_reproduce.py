"""`cascadekit reproduce`: what it prints, what it refuses, and whole experiments (slow)."""

import json
from dataclasses import replace

import pytest
from mmengine import Config

from cascadekit.commands import run as command
from cascadekit.errors import InputError
from cascadekit.experiments import reproduce
from cascadekit.experiments.experiment import Experiment, Row
from cascadekit.experiments.results import results_of_runs
from cascadekit.experiments.runs import RECORD
from cascadekit.whole_file import write_json
from tests.experiments.test_data import add_voc

SMOKE = ["--budget", "smoke", "--seeds", "1"]


def call(tmp_path, *words):
    return command("reproduce", [*words, "--work-dir", str(tmp_path / "runs")], "reproduce")


def test_list(tmp_path, capsys):
    assert call(tmp_path, "list", "table1", "table9", *SMOKE) == 0
    lines = capsys.readouterr().out.splitlines()
    (table1,) = [line for line in lines if line.startswith("table1 ")]
    assert table1.split()[-2:] == ["3", "-"]  # trainings; not run yet
    assert any(line.startswith("table9") for line in lines)
    assert not any(line.startswith("table2") for line in lines)


def test_list_says_how_long_it_took(tmp_path, capsys):
    choice = reproduce.choose(["table2"], "smoke", seeds=2, work_dir=tmp_path / "runs")
    first, _ = choice.parts()[0].runs
    write_json(first.folder / RECORD, {"minutes": 3.0})
    assert call(tmp_path, "list", "table2", "--budget", "smoke", "--seeds", "2") == 0
    assert "about 6 min" in capsys.readouterr().out


def test_status(tmp_path, capsys):
    choice = reproduce.choose(["table1"], "smoke", seeds=1, work_dir=tmp_path / "runs")
    one, two, three = choice.parts()[0].runs
    write_json(one.folder / RECORD, {"minutes": 3.0})
    write_json(two.folder / "failure.json", {})
    three.folder.mkdir(parents=True)
    (three.folder / "last_checkpoint").write_text("x")
    assert call(tmp_path, "status", "table1", *SMOKE) == 0
    text = capsys.readouterr().out
    assert "1 of 3" in text and "0 of 4" in text
    assert f"Crashed: {two.label}" in text and f"Begun: {three.label}" in text


def test_dry_run_does_nothing(tmp_path, capsys):
    assert call(tmp_path, "run", "table2", *SMOKE, "--dry-run") == 0
    assert "cascade on shapes, seed 0" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_what_is_left_out_is_said(tmp_path, capsys):
    assert call(tmp_path, "run", "table2", "table12", *SMOKE, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "table12 is left out: it is on drawn-kitti (--data)" in out and "table2 is" not in out
    data = ["--data", "drawn-kitti"]
    assert call(tmp_path, "run", "table12", *SMOKE, *data, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "left out" not in out and "benchmark of mscnn_kitti_cascade on drawn-kitti" in out


def test_the_benchmarks_come_last():
    """And add nothing to what is trained on shapes and photos."""
    names = list(reproduce.choose().experiments)
    assert names[-3:] == ["table12", "table13", "table14"]


def test_full_is_for_other_machines(tmp_path, capsys):
    assert call(tmp_path, "run", "table2", "--budget", "full") == 2
    assert "--dry-run" in capsys.readouterr().err
    assert call(tmp_path, "run", "table2", "--budget", "full", "--dry-run", "--seeds", "1") == 0
    assert "torchrun --nproc_per_node 8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "tabel1"], "Did you mean 'table1'"),
        (["run", "table1", "--data", "shape"], "Did you mean 'shapes'"),
        (["run", "table1", "--data", "shapes,shapes"], "two data sets are called shapes"),
        (["run", "table1", "--seeds", "0"], "--seeds must be 1 or more"),
    ],
)
def test_mistakes(tmp_path, capsys, words, said):
    assert call(tmp_path, *words) == 2
    assert said in capsys.readouterr().err


def test_all_is_all():
    assert len(reproduce.choose(["all"]).experiments) == len(reproduce.choose().experiments) > 20


def test_crashes_are_reported_in_the_end(tmp_path, monkeypatch):
    outcome = reproduce.Outcome(["a"], {"b": tmp_path / "b.log"}, ["c"], 1.0)
    monkeypatch.setattr(reproduce, "run_jobs", lambda jobs, workers: outcome)
    choice = reproduce.choose(["table2"], "smoke", work_dir=tmp_path)
    with pytest.raises(InputError) as caught:
        reproduce.run_experiments(choice)
    assert "b.log" in str(caught.value) and "c waits" in str(caught.value)


def test_without_training_only_what_is_trained_is_measured(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        reproduce, "run_jobs", lambda jobs, workers: seen.extend(jobs) or reproduce.Outcome()
    )
    choice = reproduce.choose(["table1"], "smoke", seeds=1, work_dir=tmp_path)
    run = next(r for r in choice.parts()[0].runs if r.arm.name == "u05")
    write_json(run.folder / RECORD, {})
    reproduce.run_experiments(choice, train=False)
    assert [job.label for job in seen] == [
        "scores of u05 on shapes, seed 0",
        "scores of iterative on shapes, seed 0",
    ]


@pytest.mark.slow
def test_experiments_of_each_kind(tmp_path, monkeypatch, capsys):
    """Trains, measures, goes on, reports; on drawn shapes."""
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    names = ["table2", "fig1", "fig2", "fig4", "fig7a", "fig8", "fig9a", "table8"]
    assert call(tmp_path, "run", *names, *SMOKE, "--workers", "2") == 0
    results = results_of_runs(tmp_path / "runs", "smoke")
    assert {(r.arm, r.measure) for r in results.results} >= {
        *(("cascade", m) for m in ("scores", "samples", "matrix", "localisation", "pictures")),
        *(("u07", m) for m in ("swap", "loss_by_iou")),
        *(("iterative", "localisation"), ("u05", "recall")),
    }
    assert set(results.values("cascade", "scores", "shapes")[0]) == {
        *("final", "1", "2", "3", "1~2", "1~3")
    }
    capsys.readouterr()
    assert call(tmp_path, "run", *names, *SMOKE) == 0  # all is there
    assert "0 jobs done" in capsys.readouterr().out
    out = tmp_path / "report"
    assert call(tmp_path, "report", "--budget", "smoke", "--out", str(out)) == 0
    assert str(tmp_path) not in (out / "results.json").read_text()
    assert len(json.loads((out / "results.json").read_text())["runs"]) == len(results.runs)


@pytest.mark.slow
def test_arms_that_go_by_others(tmp_path, monkeypatch):
    """Stored proposals, a suggestion, and masks."""
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    rows = [Row(arm, arm, {"scores": ""}) for arm in ("fast_cascade", "suggested", "mask_d")]
    made = Experiment("x", "X", "", "", tuple(rows), ("table",), data=("shapes",))
    choice = reproduce.choose(["table2"], "smoke", seeds=1, work_dir=tmp_path)
    reproduce.run_experiments(replace(choice, experiments={"x": made}), workers=2)
    results = results_of_runs(tmp_path, "smoke")
    assert set(results.values("mask_d", "scores", "shapes")[0]["final"]) == {"bbox", "segm"}
    assert results.values("fast_cascade", "scores", "shapes")
    (suggested,) = [run for run in results.runs if run["arms"] == ["suggested"]]
    config = Config.fromfile(str(tmp_path / "runs" / suggested["address"] / "config.py"))
    assert len(config.model.roi_head.stage_ious) == len(config.model.roi_head.delta_stds) == 3


@pytest.mark.slow
def test_benchmarks(tmp_path, monkeypatch, capsys):
    """Drawn in each real format, trained on crops, scored by the benchmarks' own rules."""
    pytest.importorskip("scipy")
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    names = ["table12", "table13", "table14"]
    data = ["--data", "drawn-kitti,drawn-citypersons,drawn-widerface"]
    assert call(tmp_path, "run", *names, *SMOKE, *data, "--workers", "2") == 0
    results = results_of_runs(tmp_path / "runs", "smoke")
    assert {r.arm for r in results.results} == {
        f"mscnn_{kind}{more}"
        for kind in ("kitti", "citypersons", "widerface")
        for more in ("", "_cascade")
    }
    for arm, column in (
        ("mscnn_kitti_cascade", "AP11_car_moderate"),
        ("mscnn_citypersons", "MR75_Reasonable"),
        ("mscnn_widerface", "AP75_hard"),
    ):
        where = f"drawn-{arm.split('_')[1]}"
        assert 0 <= results.numbers(arm, "benchmark", column, where)[0] <= 1
    capsys.readouterr()
    out = tmp_path / "report"
    assert call(tmp_path, "report", "--budget", "smoke", "--out", str(out)) == 0
    page = (out / "table13.md").read_text()
    assert "Ours: drawn-citypersons" in page and "51.88" in page  # the leaderboard beside ours
    assert "C17" in page and "not decided" in page.lower()


@pytest.mark.slow
def test_photos(tmp_path, monkeypatch):
    """A folder of VOC files: training, stored proposals of no use, costs, the suggestion."""
    for split in ("train", "val"):
        for stem, name in (("a", "ace"), ("b", "king"), ("c", "ace")):
            add_voc(tmp_path / "photos" / split, stem, name)
    data = ["--data", str(tmp_path / "photos")]
    assert call(tmp_path, "run", "table11", "cost", *SMOKE, *data, "--workers", "2") == 0
    results = results_of_runs(tmp_path / "runs", "smoke")
    assert results.data_names() == ("photos",)
    assert results.numbers("cascade", "cost", "seconds_per_image", "photos")[0] > 0
    assert len(results.values("rfcn_cascade", "scores", "photos")) == 1
