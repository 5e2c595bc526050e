"""The process that measures: its plan, the config it tests with, and how it fails."""

import pytest
from mmengine import Config

from cascadekit.experiments import measures, measuring
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import data_set
from cascadekit.experiments.measuring import (
    config_as_tested,
    measure_file,
    write_measuring_plan,
)
from cascadekit.experiments.results import Result
from cascadekit.experiments.runs import CONFIG, make_run, read_json, write_plan

ARMS = load_arms()
SHAPES = data_set("shapes")


@pytest.fixture
def run(tmp_path):
    made = make_run(ARMS, "u05", SHAPES, 1, "smoke", tmp_path)
    write_plan(made)
    return made


def settings_of(run, name="u05"):
    return measuring.testing_settings(run, arm_config(ARMS[name], SHAPES, "smoke"))


def test_how_it_is_tested_decides_the_file(run):
    first = measure_file(run, "u05", "scores", settings_of(run))
    assert first.name.startswith("u05.scores-") and first.parent == run.folder / "measures"
    assert measure_file(run, "u05", "scores", settings_of(run)) == first
    config = arm_config(ARMS["u05"], SHAPES, "smoke")
    config.model.roi_head.postprocess.nms_iou = 0.4
    other = measuring.testing_settings(run, config)
    assert measure_file(run, "u05", "scores", other) != first
    assert measure_file(run, "u05", "recall", settings_of(run)).name != first.name


def test_a_new_version_of_a_measure_is_another_file(run, monkeypatch):
    first = measure_file(run, "u05", "scores", settings_of(run))
    monkeypatch.setitem(measuring.VERSIONS, "scores", 99)
    assert measure_file(run, "u05", "scores", settings_of(run)) != first


def planned(run, name, files, cascade=None):
    path = run.folder / "measures" / f"plan_{name}.py"
    config = arm_config(ARMS[name], SHAPES, "smoke")
    write_measuring_plan(path, name, config, files, cascade)
    return path


def test_an_arm_is_tested_in_its_own_way(run):
    plan = Config.fromfile(str(planned(run, "iterative", {})))
    config = config_as_tested(run.folder, plan)
    assert config.model.roi_head.test_iterations == 3
    assert "test_iterations" not in Config.fromfile(str(run.folder / CONFIG)).model.roi_head
    assert config.test_dataloader.dataset.pipeline[1].scale == (128, 64)  # still a pair


def test_stored_proposals_stay_those_of_the_training(tmp_path):
    run = make_run(ARMS, "fast", SHAPES, 0, "smoke", tmp_path)
    config = run.config
    config.test_dataloader.dataset.pipeline[1].file = "found.safetensors"
    write_plan(run)
    plan = Config.fromfile(str(planned(run, "fast", {})))
    assert plan.test_dataloader.dataset.pipeline[1].file != "found.safetensors"
    tested = config_as_tested(run.folder, plan)
    assert tested.test_dataloader.dataset.pipeline[1].file == "found.safetensors"


def test_values_are_written_with_where_they_are_from(run, monkeypatch):
    seen = []

    def measure(subject):
        seen.append(subject)
        return {"a": float("nan"), "b": (1, 2)}

    monkeypatch.setattr(measures, "MEASURES", {"scores": measure})
    file = run.folder / "measures" / "u05.scores-x.json"
    plan = planned(run, "u05", {"scores": file}, cascade=run.folder)
    assert measuring.main([str(run.folder), str(plan)]) == 0
    assert not plan.exists()
    written = Result(**read_json(file))
    assert written.values == {"a": None, "b": [1, 2]}
    assert (written.arm, written.seed, written.data) == ("u05", 1, "shapes")
    assert written.address == run.address and written.budget == "smoke"
    assert seen[0].cascade.checkpoint == run.folder / "final.pth"


def test_a_crash_keeps_what_was_measured_before(run, monkeypatch, capsys):
    def broken(subject):
        raise RuntimeError("no good")

    monkeypatch.setattr(measures, "MEASURES", {"recall": lambda s: 1, "scores": broken})
    files = {name: run.folder / "measures" / f"{name}.json" for name in ("scores", "recall")}
    plan = planned(run, "u05", files)
    assert measuring.main([str(run.folder), str(plan)]) == 1
    assert files["recall"].is_file() and not files["scores"].exists()
    assert "no good" in capsys.readouterr().err
