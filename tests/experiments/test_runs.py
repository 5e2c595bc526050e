"""Addresses of runs: the same for what is learned alike, another for everything else."""

import json
import shutil
from dataclasses import replace

import pytest
from mmengine import Config

from cascadekit.errors import InputError
from cascadekit.experiments import runs
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import data_set, digest
from cascadekit.experiments.runs import (
    describe,
    make_run,
    plain,
    read_json,
    training_content,
    write_plan,
)
from cascadekit.whole_file import write_json
from tests.experiments.test_data import voc as voc  # a fixture

ARMS = load_arms()
SHAPES = data_set("shapes")


def run_of(name, root, data=SHAPES, seed=0, budget="smoke"):
    return make_run(ARMS, name, data, seed, budget, root)


def content(change=None, name="cascade"):
    config = arm_config(ARMS[name], SHAPES, "small")
    if change is not None:
        change(config)
    return digest(training_content(config, SHAPES))


def set_in(path, value):
    def change(config):
        *parents, last = path.split(".")
        place = config
        for key in parents:
            place = place[int(key)] if key.isdigit() else place[key]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.roi_head.stage_ious", (0.5, 0.6)),
        ("model.roi_head.stage_loss", "avg"),
        ("model.backbone.frozen_stages", 2),
        ("model.rpn_head.train_proposals", (400, 300)),
        ("optim_wrapper.optimizer.lr", 0.002),
        ("train_cfg.max_iters", 301),
        ("param_scheduler.1.eta_min_ratio", 0.1),
        ("train_dataloader.batch_size", 4),
        ("train_dataloader.dataset.num_images", 999),
        ("train_dataloader.dataset.difficulty", 0.6),
        ("train_dataloader.dataset.pipeline.2.prob", 0.0),
        ("load_from", "other.pth"),
    ],
)
def test_what_is_trained_otherwise_has_another_address(path, value):
    assert content(set_in(path, value)) != content()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.roi_head.test_stages", "1"),
        ("model.roi_head.postprocess", {"type": "cascadekit.Postprocess", "nms_iou": 0.3}),
        ("model.rpn_head.test_proposals", (50, 30)),
        ("test_dataloader.dataset.num_images", 5),
        ("train_dataloader.num_workers", 4),
        ("train_dataloader.persistent_workers", True),
        ("train_dataloader.dataset.root", "/somewhere"),
        ("train_cfg.val_interval", 10),
        ("default_hooks.logger.interval", 7),
        ("work_dir", "/x"),
        ("log_level", "DEBUG"),
    ],
)
def test_what_is_tested_otherwise_has_the_same(path, value):
    assert content(set_in(path, value)) == content()


def test_seeds_and_arms_differ(tmp_path):
    addresses = {run_of(n, tmp_path, seed=s).address for n in ("u05", "u06") for s in (0, 1)}
    assert len(addresses) == 4


def test_iterative_is_the_one_stage_detector(tmp_path):
    first, again = run_of("u05", tmp_path), run_of("iterative", tmp_path)
    assert first.address == again.address
    assert again.arm.name == "u05" and again.also == ("iterative",)
    # The same follows from its own config: only how it is tested differs.
    assert content(name="iterative") == content(name="u05")


def test_all_other_arms_are_trainings_of_their_own(tmp_path):
    trained = [name for name, arm in ARMS.items() if arm.trained_as is None]
    assert len({run_of(n, tmp_path).address for n in trained}) == len(trained)


def test_a_data_set_at_another_place_is_the_same_run(voc, tmp_path):
    before = run_of("u05", tmp_path, data_set(str(voc)))
    shutil.copytree(voc, tmp_path / "copy" / "photos")
    after = run_of("u05", tmp_path, data_set(str(tmp_path / "copy" / "photos")))
    assert after.address == before.address
    (voc / "train" / "a.xml").write_text((voc / "train" / "b.xml").read_text())
    assert run_of("u05", tmp_path, data_set(str(voc))).address != before.address


def test_what_is_tested_on_does_not_count(voc, tmp_path):
    before = run_of("u05", tmp_path, data_set(str(voc)))
    with (voc / "test" / "c.jpg").open("ab") as picture:
        picture.write(b"more")
    assert run_of("u05", tmp_path, data_set(str(voc))).address == before.address


def test_a_run_that_needs_another_goes_by_it(tmp_path):
    fast = run_of("fast", tmp_path)
    assert fast.needs.address == run_of("u05", tmp_path).address
    assert describe(fast)["needs"] == {"what": "proposals", "address": fast.needs.address}
    suggested = run_of("suggested", tmp_path)
    assert suggested.address != run_of("cascade", tmp_path).address
    assert describe(suggested)["needs"]["what"] == "suggestion"
    assert run_of("fast", tmp_path, seed=1).needs.seed == 1


def test_another_file_of_the_same_proposals_is_the_same_run():
    path = "train_dataloader.dataset.pipeline.1.file"
    assert content(set_in(path, "other.safetensors"), "fast") == content(name="fast")


def test_states_of_a_folder(tmp_path):
    run = run_of("u05", tmp_path)
    assert not run.done() and not run.failed() and not run.started()
    write_plan(run)
    assert Config.fromfile(str(run.folder / runs.CONFIG)).model == run.config.model
    assert read_json(run.folder / runs.PLAN)["arms"] == ["u05", "iterative"]
    (run.folder / "last_checkpoint").write_text("x")
    assert run.started()
    write_json(run.folder / runs.FAILURE, {})
    assert run.failed()
    write_json(run.folder / runs.RECORD, {})
    assert run.done() and not run.failed() and not run.started()


def test_names_for_people(tmp_path):
    assert run_of("u05", tmp_path, seed=2).label == "u05 on shapes, seed 2"


def test_files_are_whole_or_not_there(tmp_path):
    file = tmp_path / "deep" / "x.json"
    write_json(file, {"a": [1, None]})
    assert read_json(file) == {"a": [1, None]}
    with pytest.raises(ValueError, match=r"Out of range|not JSON compliant"):
        write_json(file, float("nan"))
    assert json.loads(file.read_text()) == {"a": [1, None]}  # as it was
    file.write_text("{")
    with pytest.raises(InputError, match="delete it"):
        read_json(file)
    with pytest.raises(InputError, match="no file"):
        read_json(tmp_path / "none.json")


def test_plain_values():
    assert plain({"a": (1, [2, (3,)]), 4: {"b": None}}) == {"a": [1, [2, [3]]], "4": {"b": None}}


def test_data_without_known_content_is_told_by_the_config():
    drawn = replace(SHAPES, train_content=None)
    config = arm_config(ARMS["u05"], drawn, "small")
    assert training_content(config, drawn)["data"]["num_images"] == 1000
