"""What a person sees of a suite: a bar and the jobs under way, or lines in a log."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cascadekit.progress import in_notebook


def duration(minutes: float) -> str:
    """A time for people: "45 s", "12 min", "3 h 05 min"."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    whole = round(minutes)
    return f"{whole} min" if whole < 60 else f"{whole // 60} h {whole % 60:02d} min"


class StatusLine:
    """One line that is written over and over: in a terminal, or as one output of a notebook.

    Where neither is, only what it ends with is written.
    """

    def __init__(self) -> None:
        self.text = ""
        self.output: Any = None

    def show(self, text: str) -> None:
        """Put a text in place of the one before."""
        if text == self.text:
            return
        if in_notebook():
            self._display(text)
        elif sys.stdout.isatty():
            print(f"\r{text:<{len(self.text)}}", end="", flush=True)
        self.text = text

    def end(self, text: str) -> None:
        """Put the last text, and end the line."""
        if in_notebook():
            self._display(text)
        else:
            begun = "\r" if sys.stdout.isatty() else ""
            print(f"{begun}{text:<{len(self.text) if begun else 0}}", flush=True)
        self.text = text

    def _display(self, text: str) -> None:
        from IPython.display import Pretty, display

        if self.output is None:
            self.output = display(Pretty(text), display_id=True)
        else:
            self.output.update(Pretty(text))


class SuiteProgress:
    """Progress over a whole suite.

    Args:
        total: weight of all jobs.
        count: how many they are.
        done: weight of those that were done before.
        done_count: how many these are.
        workers: processes side by side.
        console: to print on; None: the standard output.
    """

    def __init__(
        self,
        total: float,
        count: int,
        done: float,
        done_count: int,
        workers: int,
        console: Console | None = None,
    ) -> None:
        self.total, self.count, self.workers = total, count, workers
        self.done, self.done_count = done, done_count
        self.console = console or Console()
        self.began = time.time()
        self.done_before = done
        self.started: dict[str, float] = {}
        self.lines: dict[str, TaskID] = {}
        self.bars: Progress | None = None
        if self.console.is_terminal:
            self.bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=self.console,
            )
            self.whole = self.bars.add_task(self._head(), total=total, completed=done, left="")
            self.bars.start()
        else:
            self.console.print(f"{done_count} of {count} jobs are done", highlight=False)

    def _head(self) -> str:
        return f"{self.done_count} of {self.count} jobs"

    def left(self) -> str:
        """How long it will still take, judged by the jobs of this session; "" before the first."""
        now = self.done - self.done_before
        if now <= 0:
            return ""
        minutes = (time.time() - self.began) / 60 * (self.total - self.done) / now
        return f"{duration(minutes)} left"

    def start(self, label: str) -> None:
        """A job begins."""
        self.started[label] = time.time()
        if self.bars is not None:
            self.lines[label] = self.bars.add_task(f"  {label}", total=None, left="")

    def drop(self, label: str) -> None:
        """A job is under way in another suite."""
        self.started.pop(label, None)
        if self.bars is not None and label in self.lines:
            self.bars.remove_task(self.lines.pop(label))

    def finish(self, label: str, weight: float, minutes: float | None) -> None:
        """A job is done.

        Args:
            label: of the job.
            weight: of the job.
            minutes: that it took; None: since it started.
        """
        if minutes is None:
            minutes = (time.time() - self.started.get(label, time.time())) / 60
        self.drop(label)
        self.done += weight
        self.done_count += 1
        self._tell(f"{label}: {duration(minutes)}")

    def fail(self, label: str, weight: float, status: int, log: Path) -> None:
        """A job crashed; it counts as done in the forecast."""
        self.drop(label)
        self.done += weight
        self._tell(f"{label}: FAILED (exit status {status}), see {log}")

    def _tell(self, text: str) -> None:
        left = self.left()
        if self.bars is None:
            head = f"[{self.done_count}/{self.count}] "
            self.console.print(
                f"{head}{text}{'; ' if left else ''}{left}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            return
        self.bars.print(text, markup=False, highlight=False)
        self.bars.update(self.whole, description=self._head(), completed=self.done, left=left)

    def stop(self) -> None:
        """Take the bars down."""
        if self.bars is not None:
            self.bars.stop()
