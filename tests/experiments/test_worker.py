"""The process of a training: locks, attempts, what it keeps, and a whole run (slow)."""

import os
import subprocess
import sys
import time

import pytest
import torch
from mmengine import Config

from cascadekit.errors import InputError
from cascadekit.experiments import worker
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.data import data_set
from cascadekit.experiments.runs import (
    CONFIG,
    FAILURE,
    RECORD,
    WEIGHTS,
    make_run,
    read_json,
    write_plan,
)
from cascadekit.whole_file import write_json

ARMS = load_arms()


def planned(root, name="u05"):
    run = make_run(ARMS, name, data_set("shapes"), 0, "smoke", root)
    write_plan(run)
    return run


def test_a_folder_that_another_process_holds(tmp_path):
    code = (
        "import sys, pathlib; from cascadekit.experiments.worker import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline().strip() == b"held"
    assert worker.main(tmp_path) == worker.BUSY
    other.kill()  # the system lets go of it
    other.wait()
    write_json(tmp_path / RECORD, {})
    assert worker.main(tmp_path) == 0


def test_a_run_that_is_done_is_left_alone(tmp_path):
    write_json(tmp_path / RECORD, {"x": 1})
    assert worker.main(tmp_path) == 0 and read_json(tmp_path / RECORD) == {"x": 1}


def test_a_crash_is_written_down(tmp_path, capsys):
    run = planned(tmp_path)
    (run.folder / CONFIG).write_text("model = dict(type='cascadekit.Nothing')\n")
    assert worker.main(run.folder) == 1
    assert run.failed() and "Traceback" in read_json(run.folder / FAILURE)["trace"]
    assert "Traceback" in capsys.readouterr().err


def test_time_of_attempts(tmp_path):
    """One that was killed counts until its last checkpoint, which the next goes on from."""
    write_json(tmp_path / "attempts.json", [[100.0, 0.0]])
    pointer = tmp_path / "last_checkpoint"
    pointer.write_text("x")
    os.utime(pointer, (160.0, 160.0))
    spans = worker._start_attempt(tmp_path)
    assert spans[0] == [100.0, 160.0] and spans[1][0] == pytest.approx(time.time(), abs=60)
    assert worker._spans([[100.0, 160.0], [200.0, 0.0]], 230.0) == [60.0, 30.0]


def test_an_attempt_without_a_checkpoint_gave_nothing(tmp_path):
    write_json(tmp_path / "attempts.json", [[100.0, 0.0]])
    assert worker._start_attempt(tmp_path)[0] == [100.0, 100.0]


def test_a_checkpoint_that_was_cut_off_is_not_gone_on_from(tmp_path):
    pointer = tmp_path / "last_checkpoint"
    worker._drop_broken_pointer(tmp_path)  # nothing there: nothing happens
    (tmp_path / "iter_1.pth").write_bytes(b"PK\x03\x04 cut")
    pointer.write_text("elsewhere/iter_1.pth")
    worker._drop_broken_pointer(tmp_path)
    assert not pointer.exists()


def test_a_folder_that_has_moved(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "iter_1.pth")
    (tmp_path / "last_checkpoint").write_text("/old/place/iter_1.pth")
    worker._drop_broken_pointer(tmp_path)
    assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "iter_1.pth")


def test_only_weights_are_kept(tmp_path):
    for number in (1, 2):
        state = {"w": torch.full((2,), number)}
        content = {"meta": {"iter": number}, "state_dict": state, "optimizer": {"a": 1}}
        torch.save(content, tmp_path / f"iter_{number}.pth")
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_2.pth"))
    worker.keep_weights(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [WEIGHTS]
    kept = torch.load(tmp_path / WEIGHTS)
    assert set(kept) == {"meta", "state_dict"} and kept["state_dict"]["w"].tolist() == [2, 2]


def test_the_code_has_a_version():
    found = worker.code_version()
    assert set(found) == {"version", "revision", "changed"}
    assert found["revision"] is None or len(found["revision"]) == 40


def test_proposals_are_put_into_both_pipelines(tmp_path):
    run = planned(tmp_path, "fast")
    other = run.needs.folder
    other.mkdir(parents=True)
    for split in ("train", "test"):
        (other / f"proposals_{split}.safetensors").touch()
    config = Config.fromfile(str(run.folder / CONFIG))
    worker.fulfil(config, read_json(run.folder / "run.json")["needs"], run.folder)
    again = Config.fromfile(str(run.folder / CONFIG))
    for loader, split in (("train", "train"), ("test", "test")):
        step = again[f"{loader}_dataloader"].dataset.pipeline[1]
        assert step.file == str((other / f"proposals_{split}.safetensors").resolve())


def test_a_suggestion_is_put_into_the_head(tmp_path, monkeypatch):
    from cascadekit.experiments import suggestion

    run = planned(tmp_path, "suggested")
    wanted = {"stage_ious": [0.5, 0.55, 0.6], "delta_stds": [[0.1, 0.1, 0.2, 0.2]] * 3}
    monkeypatch.setattr(suggestion, "suggest", lambda folder: wanted)
    config = Config.fromfile(str(run.folder / CONFIG))
    worker.fulfil(config, {"what": "suggestion", "address": run.needs.address}, run.folder)
    head = Config.fromfile(str(run.folder / CONFIG)).model.roi_head
    assert head.stage_ious == [0.5, 0.55, 0.6] and len(head.delta_stds) == 3


def lengthened(run, iterations):
    config = Config.fromfile(str(run.folder / CONFIG))
    config.train_cfg.max_iters = iterations
    config.dump(str(run.folder / CONFIG))


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    """Killed after a checkpoint, by no exception that Python could catch."""
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    whole, cut = planned(tmp_path / "whole"), planned(tmp_path / "cut")
    for run in (whole, cut):
        lengthened(run, 8)
    command = [sys.executable, "-m", "cascadekit.experiments.worker"]
    subprocess.run([*command, str(whole.folder)], check=True, capture_output=True)
    process = subprocess.Popen([*command, str(cut.folder)], stdout=subprocess.DEVNULL)
    while not (cut.folder / "iter_2.pth").is_file():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert cut.started() and not cut.done()
    subprocess.run([*command, str(cut.folder)], check=True, capture_output=True)
    assert cut.done() and not cut.started()
    first, second = (torch.load(run.folder / WEIGHTS)["state_dict"] for run in (whole, cut))
    assert all(torch.equal(first[key], second[key]) for key in first)
    records = [read_json(run.folder / RECORD) for run in (whole, cut)]
    assert [record["attempts"] for record in records] == [1, 2]
    changing = ("attempts", "minutes", "finished", "code")  # somebody may commit meanwhile
    for record in records:
        for key in changing:
            record.pop(key)
    assert records[0] == records[1] and records[0]["iterations"] == 8


def test_a_missing_plan_is_named(tmp_path):
    with pytest.raises(InputError, match=r"run\.json"):
        worker.work(tmp_path)
