"""One detector of the experiments: found, or trained by a process that may crash or be stopped."""

import os
import sys
import time

import pytest
import torch

from cascadekit.apis import build_detector
from cascadekit.errors import InputError
from cascadekit.experiments import trained as module
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.data import data_set
from cascadekit.experiments.runs import RECORD, WEIGHTS, make_run, write_plan
from cascadekit.experiments.trained import trained
from cascadekit.experiments.worker import locked
from cascadekit.whole_file import write_json

ARMS = load_arms()


def smoke_run(root, name="u05"):
    return make_run(ARMS, name, data_set("shapes"), 0, "smoke", root)


@pytest.fixture
def done(tmp_path):
    """The root of a run of u05 that counts as trained; its weights are random."""
    run = smoke_run(tmp_path)
    write_plan(run)
    meta = {"dataset_meta": {"classes": list(run.data.classes)}}
    state = build_detector(run.config).state_dict()
    torch.save({"meta": meta, "state_dict": state}, run.folder / WEIGHTS)
    write_json(run.folder / RECORD, {"minutes": 2.0})
    return tmp_path


def test_a_trained_run_is_loaded_and_nothing_is_written(done, capsys):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*")}
    plain = trained("u05", "smoke", root=done)
    iterative = trained("iterative", "smoke", root=str(done))
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*")} == before
    assert capsys.readouterr().out == ""
    assert plain.folder == iterative.folder == smoke_run(done).folder
    # One training, tested in two ways.
    iterations = [t.config.model.roi_head.get("test_iterations", 1) for t in (plain, iterative)]
    assert iterations == [1, 3]
    assert not plain.detector.training and len(plain.detector.classes) == 6
    assert plain.config.test_dataloader.dataset.num_images == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(arm="cascad"), "Did you mean 'cascade'"),
        (dict(arm="u05", budget="smal"), "Did you mean 'small'"),
        (dict(arm="u05", budget="full"), "budget must be one of smoke, small"),
        (dict(arm="u05", seed=-1), "seed must be a whole number from 0 on, got -1"),
        (dict(arm="u05", seed=True), "got True"),
        (dict(arm="u05", seed=0.5), "got 0.5"),
        (dict(arm="u05", data="shape"), "Did you mean 'shapes'"),
        (dict(arm="u05", data="coco"), "trained on shapes or photos only"),
    ],
)
def test_mistakes(tmp_path, arguments, words):
    with pytest.raises(InputError) as caught:
        trained(**arguments, root=tmp_path)
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def worker(monkeypatch):
    """Put a script in the worker's place; `folder` is the run's."""

    def put(script):
        head = "import sys, pathlib, time; folder = pathlib.Path(sys.argv[1])\n"
        command = lambda run: [sys.executable, "-c", head + script, str(run.folder)]  # noqa: E731
        monkeypatch.setattr(module, "_command", command)
        monkeypatch.setattr(module, "LOOK_AGAIN", 0.01)

    return put


FINISH = "(folder / 'record.json').write_text('{\"minutes\": 2.0}')\n"


def test_a_training_leaves_one_line(tmp_path, worker, capsys):
    worker(FINISH)
    run = smoke_run(tmp_path)
    module._train(run)
    assert run.done() and (run.folder / "config.py").is_file()
    assert capsys.readouterr().out == "u05 on shapes, seed 0: trained in 2 min\n"


def test_what_it_needs_is_trained_before(tmp_path, worker, capsys):
    worker(FINISH)
    module._train(smoke_run(tmp_path, "suggested"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" on ")[0] for line in lines] == ["u05", "suggested"]


def test_another_process_is_waited_for(tmp_path, worker, capsys):
    """It holds the folder at the first try, and has finished at the second."""
    worker(
        f"mark = folder / 'seen'\nif mark.exists():\n    {FINISH}else:\n    mark.touch(); exit(75)"
    )
    module._train(smoke_run(tmp_path))
    assert "trained in" in capsys.readouterr().out


def test_the_plan_of_a_training_under_way_is_left_alone(tmp_path):
    """The worker may have put into its config what it took from another run."""
    run = smoke_run(tmp_path)
    run.folder.mkdir(parents=True)
    with locked(run.folder):
        module._plan(run)
        assert [path.name for path in run.folder.iterdir()] == [".lock"]
    module._plan(run)
    assert (run.folder / "run.json").is_file()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "(folder / 'failure.json').write_text('{\"error\": \"KeyError: x\"}'); exit(1)",
            "KeyError: x",
        ),
        ("exit(7)", "exit status 7"),  # killed by the system, say: it left no reason
        ("", "exit status 0"),  # and one that ended without doing anything
    ],
)
def test_a_crash_is_reported(tmp_path, worker, capsys, script, words):
    worker(script)
    run = smoke_run(tmp_path)
    with pytest.raises(InputError) as caught:
        module._train(run)
    assert words in str(caught.value) and str(run.folder / "train.log") in str(caught.value)
    assert capsys.readouterr().out == "u05 on shapes, seed 0: not finished\n"


def test_the_stop_button_ends_the_process(tmp_path, worker, monkeypatch):
    worker("import os; (folder / 'pid').write_text(str(os.getpid())); time.sleep(60)")
    run = smoke_run(tmp_path)
    sleep = time.sleep

    def stop(seconds):
        sleep(seconds)
        if (run.folder / "pid").is_file() and (run.folder / "pid").read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        module._train(run)
    with pytest.raises(ProcessLookupError):
        os.kill(int((run.folder / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "training begins"),
        ("nothing to resume\n", "training begins"),
        ("iter  50/300  eta 0:05:58  1.44 s\n", "training, step 50 of 300, 0:05:58 left"),
        ("iter  50/300  eta 0:05:58\niter 100/300  eta 0:04:00\n" + "x" * 99, "step 100 of 300"),
        ("iter 2/2 loss 1.4\n", "training, step 2 of 2"),  # no forecast
        ("iter 1/300  eta 0:01:00\n" + "x" * 5000, "training begins"),  # out of sight
    ],
)
def test_how_far_a_training_is(tmp_path, log, words):
    (tmp_path / "train.log").write_text(log)
    assert words in module._how_far(tmp_path / "train.log")


@pytest.mark.slow
def test_a_whole_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    first = trained("u05", "smoke", root=tmp_path / "runs")
    assert "trained in" in capsys.readouterr().out
    again = trained("u05", "smoke", root=tmp_path / "runs")
    assert capsys.readouterr().out == ""
    states = [t.detector.state_dict() for t in (first, again)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
