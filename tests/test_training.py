"""What a training shows, and what a stop in the middle of a real one leaves behind."""

import gc
import json
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest
import torch

from cascadekit import training
from cascadekit.apis import load_config, train
from cascadekit.engine import TrainingInterrupted
from cascadekit.errors import InputError
from cascadekit.models import CascadeRCNN
from cascadekit.training import can_show_widgets, training_screen
from tests.engine.test_progress import Listener

pytestmark = pytest.mark.usefixtures("usual_interruptions")
TINY = Path(__file__).parent / "tiny.py"
NO_SAVES = {"default_hooks.checkpoint.interval": 100}


@pytest.fixture(autouse=True, scope="module")
def data_folder(tmp_path_factory):
    """The drawn pictures: once for this file."""
    before = os.environ.get("CASCADEKIT_DATA")
    os.environ["CASCADEKIT_DATA"] = str(tmp_path_factory.mktemp("data"))
    yield
    if before is None:
        del os.environ["CASCADEKIT_DATA"]
    else:
        os.environ["CASCADEKIT_DATA"] = before


# The screen


def test_another_word():
    message = (
        "progress must be one of auto, widget, text, None or a reporter, got 'widgets'.*'widget'"
    )
    with pytest.raises(InputError, match=message), training_screen("widgets"):
        pass


@pytest.mark.parametrize("progress", ["auto", "widget", "text"])
def test_outside_of_a_notebook_there_are_lines(progress):
    assert not can_show_widgets()
    with training_screen(progress) as reporter:
        assert reporter is None


def test_a_notebook_is_seen(monkeypatch):
    monkeypatch.setattr(training, "in_notebook", lambda: True)
    assert can_show_widgets()
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    assert not can_show_widgets()  # without ipywidgets


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "finished"),
        (TrainingInterrupted("2 of 4"), "stopped: 2 of 4"),
        (KeyboardInterrupt(), "stopped"),
        (InputError("no data"), "failed: no data"),
        (ValueError(), "failed: ValueError"),
    ],
)
def test_the_reporter_hears_the_end(error, told):
    listener = Listener()
    if error is None:
        with training_screen(listener):
            pass
    else:
        with pytest.raises(type(error)), training_screen(listener):
            raise error
    assert listener.told == [("ended", told)]


# Trainings


def test_a_reporter_of_ones_own(tmp_path, capsys):
    listener = Listener()
    train(load_config(TINY), tmp_path, seed=0, progress=listener)
    first, *_, validated, end = listener.told
    assert first == ("start", 0, 4) and end == ("ended", "finished")
    assert validated[:2] == ("validated", 4) and "coco/bbox_AP" in validated[2]
    last = listener.reports[-1]
    assert (last.iteration, last.total) == (4, 4) and last.losses["loss"] > 0
    assert {"rpn.loss_cls", "stage2.loss_bbox"} <= set(last.losses)
    assert "iter 4/4" not in capsys.readouterr().out  # the screen is the reporter's
    (log,) = tmp_path.glob("2*/*.log")
    assert "iter 4/4" in log.read_text()


def test_nothing_but_warnings(tmp_path, capsys):
    runner = train(load_config(TINY, options={"train_cfg.max_iters": 1}), tmp_path, progress=None)
    assert "iter 1/1" not in capsys.readouterr().out
    runner.logger.warning("look")
    assert "look" in capsys.readouterr().out
    with training.quiet_console():
        runner.logger.warning("here")
        runner.logger.info("and not there")
    out = capsys.readouterr().out
    assert "here" in out and "not there" not in out


def test_lines(tmp_path, capsys):
    train(load_config(TINY, options={"train_cfg.max_iters": 1}), tmp_path)
    assert "iter 1/1" in capsys.readouterr().out


def test_data_that_cannot_be_used_end_the_picture_too(tmp_path):
    listener = Listener()
    config = load_config(TINY, options={"model.num_classes": 5})
    with pytest.raises(InputError, match="num_classes is 5"):
        train(config, tmp_path, progress=listener)
    assert listener.told[-1][1].startswith("failed: model.num_classes is 5")


# Stops. The signal comes in the middle of the forward pass of an iteration.


def stop_during(monkeypatch, iteration, times=1):
    """Send an interruption to this process while an iteration is computed."""
    step, calls = CascadeRCNN.train_step, []

    def interrupted(self, data, optim_wrapper):
        calls.append(1)
        if len(calls) == iteration:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return step(self, data, optim_wrapper)

    monkeypatch.setattr(CascadeRCNN, "train_step", interrupted)
    return calls


def weights(path):
    return torch.load(path, weights_only=False)["state_dict"]


def six_iterations():
    """Six iterations with a validation in the middle and at the end."""
    return load_config(
        TINY, options={**NO_SAVES, "train_cfg.max_iters": 6, "train_cfg.val_interval": 3}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Weights of a training that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    train(six_iterations(), folder, seed=7, progress=None)
    return weights(folder / "iter_6.pth")


@pytest.mark.parametrize(
    "stopped",
    [
        2,  # the next pictures are read already, and were drawn for
        3,  # validation, which draws as well, would come next, and does not come again
    ],
)
def test_stopped_and_resumed_is_the_same_to_the_bit(tmp_path, monkeypatch, whole, stopped):
    """Without a seed of one's own: the run that goes on takes that of the run it goes on from."""
    config, listener = six_iterations(), Listener()
    with monkeypatch.context() as patch:
        calls = stop_during(patch, iteration=stopped)
        with pytest.raises(TrainingInterrupted) as caught:
            train(config, tmp_path, seed=7, progress=listener)
    assert len(calls) == stopped  # it was finished
    saved = tmp_path / f"interrupted_iter_{stopped}.pth"
    done = f"{stopped} of 6 iterations are done"
    for words in (done, str(saved), f"{str(tmp_path)!r}, resume=True"):
        assert words in str(caught.value)
    assert listener.told[-1] == ("ended", f"stopped: {caught.value}")
    # Stopped again before an iteration is done, and only then finished.
    with monkeypatch.context() as patch:
        stop_at_once(patch)
        with pytest.raises(TrainingInterrupted, match=done):
            train(config, tmp_path, resume=True, progress=None)
    assert train(config, tmp_path, resume=True, progress=None).iter == 6
    parts = weights(tmp_path / "iter_6.pth")
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def stop_at_once(patch):
    """Interrupt in the next iteration, twice, so that it is not finished."""

    def twice(self, data, optim_wrapper):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second interruption waited")

    patch.setattr(CascadeRCNN, "train_step", twice)


def test_loader_processes_end_with_a_stop(tmp_path, monkeypatch):
    """The signal goes to all processes of a group, as a notebook's stop button sends it."""
    loader = {"num_workers": 2, "persistent_workers": True}
    options = {f"train_dataloader.{key}": value for key, value in loader.items()}
    config = load_config(TINY, options={**NO_SAVES, **options})
    step, workers = CascadeRCNN.train_step, []

    def interrupted(self, data, optim_wrapper):
        workers.extend(multiprocessing.active_children())
        for worker in workers:
            os.kill(worker.pid, signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return step(self, data, optim_wrapper)

    monkeypatch.setattr(CascadeRCNN, "train_step", interrupted)
    with pytest.raises(TrainingInterrupted, match="1 of 4"):
        train(config, tmp_path, seed=0, progress=None)
    assert len(workers) == 2
    gc.collect()
    assert multiprocessing.active_children() == []
    assert (tmp_path / "interrupted_iter_1.pth").is_file()


def test_before_the_first_iteration(tmp_path, monkeypatch):
    stop_at_once(monkeypatch)
    with pytest.raises(TrainingInterrupted, match="nothing to save"):
        train(load_config(TINY), tmp_path, progress=None)
    assert not list(tmp_path.glob("*.pth"))


def test_a_stop_gives_the_signal_back(tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    stop_during(monkeypatch, iteration=1)
    with pytest.raises(TrainingInterrupted):
        train(load_config(TINY), tmp_path, progress=None)
    assert signal.getsignal(signal.SIGINT) is before


# In a kernel

CELL = f"""
import cascadekit
config = cascadekit.load_config({str(TINY)!r}, options={{"train_cfg.max_iters": MAX}})
"""
REGISTER = f"""
import sys
sys.path.insert(0, {str(TINY.parents[1])!r})
import tests.conftest
"""


def notebook(folder, *cells):
    """Run cells in a new kernel; gives the cells, whatever they raised."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(made, timeout=120, allow_errors=True, resources=resources)
    return client, made


def text_of(cell):
    """What a cell printed or raised."""
    parts = []
    for output in cell.outputs:
        parts += [output.get("text", ""), *output.get("traceback", [])]
    return "\n".join(parts)


@pytest.mark.notebook
def test_a_cell_that_trains(tmp_path):
    code = CELL.replace("MAX", "4") + "runner = cascadekit.train(config, 'run', seed=0)"
    client, made = notebook(tmp_path, REGISTER, code, "runner.iter")
    client.execute()
    cell = made.cells[1]
    assert "Traceback" not in text_of(cell) and "iter 4/4" not in text_of(cell)
    (shown,) = [o for o in cell.outputs if o.output_type == "display_data"]
    assert "application/vnd.jupyter.widget-view+json" in shown.data
    assert len(shown.data["image/png"]) > 10_000  # with curves: the end has replaced the beginning
    assert made.cells[2].outputs[0].data["text/plain"] == "4"
    state = json.dumps(made.metadata.widgets)
    assert "finished: 4 iterations in" in state and "IntProgress" in state
    assert "OutputModel" not in state


@pytest.mark.notebook
def test_the_stop_button(tmp_path):
    """The kernel is interrupted in a training of many iterations; the next cells go on."""
    many = CELL.replace("MAX", "100000") + "config.default_hooks.checkpoint.interval = 100000\n"
    many += "config.train_dataloader.num_workers = 2\n"
    first = "cascadekit.train(config, 'run', seed=0)"
    again = "config.train_cfg.max_iters = DONE + 2\n"
    again += "print(cascadekit.train(config, 'run', resume=True).iter - DONE)"
    look = (
        "import multiprocessing, pathlib\n"
        "print(len(multiprocessing.active_children()), 'processes')\n"
        "(saved,) = pathlib.Path('run').glob('*.pth')\n"
        "DONE = int(saved.stem.removeprefix('interrupted_iter_'))"
    )
    client, made = notebook(tmp_path, REGISTER, many, first, look, again)
    stop = threading.Thread(target=press_stop, args=(client, tmp_path / "run"))
    stop.start()
    client.execute()
    stop.join()
    (error,) = [o for o in made.cells[2].outputs if o.output_type == "error"]
    assert error.ename == "TrainingInterrupted"
    (line,) = error.traceback  # no frames
    assert line.startswith("Training stopped: ") and "resume=True" in line
    assert "RuntimeError" not in text_of(made.cells[2])
    assert text_of(made.cells[3]).strip() == "0 processes"
    assert text_of(made.cells[4]).splitlines()[-1] == "2"


def press_stop(client, folder):
    """Once some iterations are logged, interrupt the kernel as Jupyter does."""
    import asyncio
    import time

    for _ in range(600):
        logs = list(folder.glob("2*/*.log"))
        if logs and "iter      3/" in logs[0].read_text():
            break
        time.sleep(0.1)
    answer = client.km.interrupt_kernel()
    if asyncio.iscoroutine(answer):
        asyncio.run(answer)
