"""Stop a training from outside, with Ctrl-C or a notebook's stop button, and lose nothing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mmengine.dist import is_distributed
from mmengine.hooks import Hook

from cascadekit.registry import HOOKS


class TrainingInterrupted(KeyboardInterrupt):
    """A training was stopped from outside and saved; the message says how to go on."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback: nothing went wrong anywhere."""
        return [f"Training stopped: {self}"]


@HOOKS.register_module()
class StopBetweenIterations(Hook):
    """While it is entered (`with`), an interruption waits for the end of the iteration under way.

    Weights, optimizer and statistics then belong to the same iteration, and a run that goes on is
    the run that was not stopped. A second interruption does not wait. In validation, which changes
    nothing, none waits.

    It changes nothing where there are several processes, which would stop at different iterations,
    nor outside of the main thread, nor where interruptions are ignored (`nohup`, `&`).
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._asked = False
        self._holding = False
        self._before: Any = None
        self._process = 0

    def __enter__(self) -> StopBetweenIterations:
        """Take interruptions over."""
        usual = signal.getsignal(signal.SIGINT)
        if _in_main_thread() and callable(usual) and not is_distributed():
            self._process = os.getpid()
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Give them back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a worker that was forked just now: see start_worker
        if not self._holding or self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def _pass_on(self, hold: bool) -> None:
        self._holding = hold
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """The iteration before is done, with everything that belongs to it."""
        self._pass_on(hold=True)

    def before_val(self, runner: Any) -> None:
        """Likewise."""
        self._pass_on(hold=False)

    def after_val(self, runner: Any) -> None:
        """Wait again."""
        self._pass_on(hold=True)

    def after_train(self, runner: Any) -> None:
        """All is done."""
        self._pass_on(hold=False)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore interruptions, so that a file is written whole."""
    if not _in_main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        if usual is not None:
            signal.signal(signal.SIGINT, usual)


def start_worker(then: Callable[[int], None] | None, worker: int) -> None:
    """Begin a data loader's worker process: it leaves interruptions to the process that has it.

    A stop button and Ctrl-C reach all processes. Workers that die of it would be reported as an
    error of the data, in the middle of saving.

    Args:
        then: what else a worker begins with, or None.
        worker: its number.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if then is not None:
        then(worker)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
