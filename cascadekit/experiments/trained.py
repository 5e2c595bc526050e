"""One detector of the experiments, trained when it is first asked for: what notebooks start from.

Runs are those of the suite, known by their content, so what a suite or another notebook trained is
loaded, and what is trained here the suite need not train again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmengine import Config
from torch import nn

from cascadekit.apis import load_detector
from cascadekit.errors import InputError, check_word
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import data_set
from cascadekit.experiments.measuring import config_as_tested, model_settings
from cascadekit.experiments.progress import StatusLine, duration
from cascadekit.experiments.runs import (
    DEFAULT_ROOT,
    FAILURE,
    LOG,
    RECORD,
    WEIGHTS,
    Run,
    make_run,
    read_json,
    write_plan,
)
from cascadekit.experiments.worker import BUSY, BusyError, locked

BUDGETS = ("smoke", "small")
LOOK_AGAIN = 0.5  # seconds between two looks at a training
STEP = re.compile(rb"iter +(\d+)/(\d+)(?: +eta (\S+))?")
TAIL = 4096  # bytes of a log that hold its last step


@dataclass(frozen=True)
class Trained:
    """A trained detector of the experiments.

    Attributes:
        detector: in evaluation mode, with its weights and the names of its classes.
        config: as it is tested; `open_loader(config)` gives its test pictures with their truth.
        folder: of the run: config.py, record.json, final.pth, train.log.
    """

    detector: nn.Module
    config: Config
    folder: Path


def trained(
    arm: str,
    budget: str = "small",
    data: str = "shapes",
    seed: int = 0,
    root: str | os.PathLike[str] | None = None,
) -> Trained:
    """Load a detector of the experiments, or train it if nobody has.

    Args:
        arm: its name in `configs/experiments/arms.py`, e.g. "u05" or "cascade".
        budget: "small": minutes on two cores; "smoke": seconds, and it has learned nothing.
        data: "shapes" or a folder of photos, as `data_set` takes it.
        seed: of the training.
        root: folder of all runs; None: work_dirs/experiments, the suite's own, from where it is
            run.

    Returns:
        The detector, ready for `predict` and `record_stages`.

    Raises:
        InputError: an unknown arm, budget or data set, an arm that is not trained on such data, a
            seed that is none, or a training that crashed: its log is named.
        KeyboardInterrupt: passed on; the training was ended and goes on from its last checkpoint
            when it is asked for again.

    A training is a process of its own with one thread, as in a suite, which gives the same weights;
    one line tells how far it is. What another process is training is waited for.
    """
    arms = load_arms()
    check_word("arm", arm, arms)
    check_word("budget", budget, BUDGETS)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed must be a whole number from 0 on, got {seed!r}")
    chosen = data_set(data)
    if chosen.kind not in arms[arm].small_data:
        fitting = " or ".join(arms[arm].small_data)
        raise InputError(f"arm {arm!r} is trained on {fitting} only, and data is {data!r}")
    place = DEFAULT_ROOT if root is None else Path(root)
    run = make_run(arms, arm, chosen, seed, budget, place)
    _train(run)
    config = arm_config(arms[arm], chosen, budget)
    tested = Config(
        {"model": model_settings(config), "test_dataloader": config.test_dataloader.to_dict()}
    )
    config = config_as_tested(run.folder, tested)
    return Trained(load_detector(config, run.folder / WEIGHTS), config, run.folder)


def _train(run: Run) -> None:
    """Do a run, and what it needs before, unless it is done."""
    if run.done():
        return
    if run.needs is not None:
        _train(run.needs)
    _plan(run)
    line = StatusLine()
    line.show(f"{run.label}: training begins")
    try:
        while not run.done():
            _one_attempt(run, line)
    except BaseException:
        line.end(f"{run.label}: not finished")
        raise
    minutes = read_json(run.folder / RECORD).get("minutes") or 0.0
    line.end(f"{run.label}: trained in {duration(minutes)}")


def _plan(run: Run) -> None:
    """Write what the worker has to know, unless another process works by it at the moment."""
    run.folder.mkdir(parents=True, exist_ok=True)
    with suppress(BusyError), locked(run.folder):
        if not run.done():
            write_plan(run)


def _one_attempt(run: Run, line: StatusLine) -> None:
    """Run the worker until it ends; where another process holds the folder, wait a little."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # as a suite's, for equal weights
    with (run.folder / LOG).open("ab") as log:
        # A session of its own: Ctrl-C reaches us alone, and we end the process in order.
        process = subprocess.Popen(
            _command(run),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **threads},
            start_new_session=True,
        )
    try:
        while (status := process.poll()) is None:
            line.show(f"{run.label}: {_how_far(run.folder / LOG)}")
            time.sleep(LOOK_AGAIN)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if status == BUSY:
        line.show(f"{run.label}: waiting, another process trains it")
        time.sleep(10 * LOOK_AGAIN)
    elif not run.done():
        raise InputError(
            f"training {run.label} crashed (exit status {status}){_reason(run)}; see "
            f"{run.folder / LOG}"
        )


def _command(run: Run) -> list[str]:
    return [sys.executable, "-m", "cascadekit.experiments.worker", str(run.folder)]


def _how_far(log: Path) -> str:
    """The last step that a log tells of, in words."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        steps = STEP.findall(file.read())
    if not steps:
        return "training begins"
    done, total, left = (part.decode() for part in steps[-1])
    return f"training, step {done} of {total}" + (f", {left} left" if left else "")


def _reason(run: Run) -> str:
    """What a crashed run wrote down: ": KeyError: 'x'", or nothing."""
    file = run.folder / FAILURE
    return f": {read_json(file)['error']}" if file.is_file() else ""
