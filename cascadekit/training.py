"""A training as a person sees it: what is on the screen, and what a stop leaves behind."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from cascadekit.engine import (
    DetectionRunner,
    KeepRandomState,
    Reporter,
    ReportProgress,
    StopBetweenIterations,
    TrainingInterrupted,
    quiet_console,
    save_interrupted,
)
from cascadekit.errors import InputError, did_you_mean
from cascadekit.progress import in_notebook

WAYS = ("auto", "widget", "text")


@contextmanager
def training_screen(progress: str | Reporter | None) -> Iterator[Reporter | None]:
    """Show a training while the `with` lasts, in the chosen way.

    Args:
        progress: "widget", "text" (lines of the log), None (warnings only), "auto" (a widget in a
            notebook, lines elsewhere), or a reporter of one's own, to whom the screen is left.

    Yields:
        Reporter | None: whom to report to.

    Raises:
        InputError: another word.
    """
    if isinstance(progress, str):
        if progress not in WAYS:
            raise InputError(
                f"progress must be one of {', '.join(WAYS)}, None or a reporter, got "
                f"{progress!r}.{did_you_mean(progress, WAYS)}"
            )
        if progress == "text" or not can_show_widgets():
            if progress == "widget":
                print_log("no notebook to show a widget in: lines instead", logger="current")
            yield None
            return
        from cascadekit.visualization.training_progress import TrainingProgress

        progress = TrainingProgress()
        progress.show()
    with quiet_console():
        try:
            yield progress
        except BaseException as error:
            if progress is not None:
                progress.ended(_ending(error))
            raise
    if progress is not None:
        progress.ended("finished")


def _ending(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return f"stopped: {error}" if str(error) else "stopped"
    return f"failed: {str(error) or type(error).__name__}"


def can_show_widgets() -> bool:
    """Whether this process is the kernel of a notebook, and ipywidgets is installed.

    Whether the page that is joined to the kernel can show widgets is not known to a kernel; where
    it cannot, it shows the still picture of the widget's end.
    """
    return in_notebook() and importlib.util.find_spec("ipywidgets") is not None


def train_until_stopped(
    runner: DetectionRunner, reporter: Reporter | None = None
) -> TrainingInterrupted | None:
    """Run a training; an interruption saves it.

    Args:
        runner: built, not begun.
        reporter: is told how it goes.

    Returns:
        None where the training finished; else what to raise, without a tie to the runner, so that
        its data loader's workers can end.
    """
    runner.register_hook(stop := StopBetweenIterations())
    if reporter is not None:
        runner.register_hook(ReportProgress(reporter))
    if not any(isinstance(hook, KeepRandomState) for hook in runner.hooks):
        runner.register_hook(KeepRandomState())
    try:
        with stop:
            runner.train()
    except KeyboardInterrupt:
        return _stopped(runner)
    return None


def _stopped(runner: Any) -> TrainingInterrupted:
    """Save a run that is to end, and say how it goes on."""
    saved = save_interrupted(runner)
    if saved is None:
        return TrainingInterrupted("before the first iteration was done; nothing to save")
    folder = runner.cfg.get("work_dir", runner.work_dir)  # as it was given, perhaps relative
    return TrainingInterrupted(
        f"{runner.iter} of {runner.max_iters} iterations are done and saved in "
        f"{Path(folder) / Path(saved).name}. Go on with "
        f"cascadekit.train(config, {str(folder)!r}, resume=True)"
    )
