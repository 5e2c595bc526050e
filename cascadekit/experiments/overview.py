"""Which experiments there are, and how far their runs are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cascadekit.experiments.experiment import Experiment
from cascadekit.experiments.progress import duration
from cascadekit.experiments.runs import RECORD, Run, read_json
from cascadekit.experiments.suite import Job
from cascadekit.quality.tables import Table


@dataclass(frozen=True)
class Part:
    """What one experiment needs.

    Attributes:
        experiment: the experiment.
        runs: its trainings; other experiments may share them.
        jobs: its measurements.
    """

    experiment: Experiment
    runs: Sequence[Run]
    jobs: Sequence[Job]


def list_table(parts: Sequence[Part]) -> Table:
    """The experiments with what they cost.

    Args:
        parts: one for each experiment.

    Returns:
        A row for each: trainings, and the minutes of those that are done.
    """
    rows = []
    for part in parts:
        shown = minutes_text([run for run in part.runs if run.done()], len(part.runs))
        rows.append((part.experiment.name, part.experiment.title, str(len(part.runs)), shown))
    return Table(
        "Experiments",
        ("name", "title", "trainings", "one process's time"),
        tuple(rows),
        ("Trainings that several experiments need are done once.",),
    )


def minutes_text(done: Sequence[Run], count: int) -> str:
    """Time of some trainings, extended to all of them; "-" before the first."""
    if not done:
        return "-" if count else duration(0)
    spent = math.fsum(read_json(run.folder / RECORD)["minutes"] for run in done)
    about = "" if len(done) == count else "about "
    return about + duration(spent * count / len(done))


def status_table(parts: Sequence[Part]) -> Table:
    """How far each experiment is.

    Args:
        parts: one for each experiment.

    Returns:
        A row for each, and below them the trainings that crashed or were interrupted.
    """
    rows = []
    for part in parts:
        trained = sum(run.done() for run in part.runs)
        measured = sum(job.is_done() for job in part.jobs)
        rows.append(
            (
                part.experiment.name,
                f"{trained} of {len(part.runs)}",
                f"{measured} of {len(part.jobs)}",
            )
        )
    runs = {run.address: run for part in parts for run in part.runs}
    crashed = [
        f"Crashed: {run.label}, see {run.folder / 'train.log'}"
        for run in runs.values()
        if run.failed()
    ]
    begun = [f"Begun: {run.label}" for run in runs.values() if run.started()]
    notes = (*begun, *crashed)
    return Table("Status", ("experiment", "trained", "measured"), tuple(rows), notes)
