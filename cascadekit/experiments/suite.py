"""All jobs of some experiments, each in a process of its own, several side by side.

What is done is skipped, what was interrupted goes on, and what crashed is tried again and reported;
nothing else hangs on it. Killing the suite leaves every folder usable.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cascadekit.experiments.progress import SuiteProgress

BUSY = 75  # see worker.py
LOOK_AGAIN = 10.0  # seconds until a job of another suite is tried again


@dataclass(frozen=True)
class Job:
    """One process.

    Attributes:
        label: for people.
        command: words after the Python interpreter.
        log: file that its output goes to, at the end of what is there.
        done: the files that it leaves when it is done.
        needs: files of other jobs that must be there before.
        weight: how long it takes beside others, about.
        alone: whether nothing else may run beside it, as it takes the time.
        prepare: called before it starts.
    """

    label: str
    command: tuple[str, ...]
    log: Path
    done: tuple[Path, ...]
    needs: tuple[Path, ...] = ()
    weight: float = 1.0
    alone: bool = False
    prepare: Callable[[], None] | None = None

    def is_done(self) -> bool:
        """Whether all its files are there."""
        return all(file.is_file() for file in self.done)


@dataclass
class Outcome:
    """How a suite ended.

    Attributes:
        finished: labels of jobs done now.
        failed: label -> log of jobs that crashed.
        waiting: labels of jobs that others' failures kept from starting.
        minutes: that it took.
    """

    finished: list[str] = field(default_factory=list)
    failed: dict[str, Path] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    minutes: float = 0.0


def run_jobs(jobs: Sequence[Job], workers: int = 1) -> Outcome:
    """Run jobs in order, as far as what they need is there.

    Args:
        jobs: those that are done already are skipped.
        workers: processes side by side, each with one thread.

    Returns:
        How it ended.

    Raises:
        KeyboardInterrupt: passed on, after the processes were ended; their checkpoints stay.
    """
    suite = _Suite(jobs, workers)
    try:
        suite.run()
    except KeyboardInterrupt:
        suite.stop()
        raise
    finally:
        suite.progress.stop()
    return suite.outcome


class _Suite:
    """The state of `run_jobs`."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.pending = [job for job in jobs if not job.is_done()]
        self.workers = max(workers, 1)
        self.running: dict[Job, subprocess.Popen[bytes]] = {}
        self.elsewhere: dict[Job, float] = {}  # other suites' -> when to look again
        self.outcome = Outcome()
        self.began = time.time()
        done = [job.weight for job in jobs if job.is_done()]
        self.progress = SuiteProgress(
            total=sum(job.weight for job in jobs),
            count=len(jobs),
            done=sum(done),
            done_count=len(done),
            workers=self.workers,
        )

    def run(self) -> None:
        while self.pending or self.running or self.elsewhere:
            self._collect()
            while len(self.running) < self.workers and (job := self._next()) is not None:
                self._start(job)
            if not self.running and not self.elsewhere and self.pending and self._next() is None:
                break
            time.sleep(0.2)
        self.outcome.waiting = [job.label for job in self.pending]
        self.outcome.minutes = (time.time() - self.began) / 60

    def _next(self) -> Job | None:
        """The first job that can start."""
        if any(job.alone for job in self.running):
            return None
        for job in self.pending:
            ready = all(path.exists() for path in job.needs)
            if ready and not (job.alone and self.running):
                return job
        return None

    def _start(self, job: Job) -> None:
        self.pending.remove(job)
        if job.is_done():  # another suite made it meanwhile
            self.progress.finish(job.label, job.weight, 0.0)
            return
        if job.prepare is not None:
            job.prepare()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with job.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches us alone, and we end the processes in order.
            self.running[job] = subprocess.Popen(
                [sys.executable, *job.command],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **threads},
                start_new_session=True,
            )
        self.progress.start(job.label)

    def _collect(self) -> None:
        """Look which processes have ended, and whether others' jobs are to be tried again."""
        for job, process in list(self.running.items()):
            status = process.poll()
            if status is None:
                continue
            del self.running[job]
            if status == BUSY:
                self.elsewhere[job] = time.time() + LOOK_AGAIN
                self.progress.drop(job.label)
            elif status == 0 and job.is_done():
                self.outcome.finished.append(job.label)
                self.progress.finish(job.label, job.weight, None)
            else:
                self.outcome.failed[job.label] = job.log
                self.progress.fail(job.label, job.weight, status, job.log)
        for job, when in list(self.elsewhere.items()):
            if job.is_done() or time.time() >= when:
                del self.elsewhere[job]
                self.pending.insert(0, job)

    def stop(self) -> None:
        """End the processes; what they did since their last checkpoint is lost."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
