"""START HERE: what `cascadekit reproduce` does: plan runs, run them side by side, measure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascadekit.errors import InputError
from cascadekit.experiments.arms import Arm, load_arms
from cascadekit.experiments.data import DataSet, data_set
from cascadekit.experiments.experiment import Experiment, load_experiments
from cascadekit.experiments.full_budget import full_commands
from cascadekit.experiments.overview import Part, list_table, status_table
from cascadekit.experiments.planning import (
    elsewhere,
    measuring_jobs,
    plan_runs,
    training_job,
    wishes,
)
from cascadekit.experiments.progress import duration
from cascadekit.experiments.runs import DEFAULT_ROOT, Run
from cascadekit.experiments.suite import Job, Outcome, run_jobs


@dataclass(frozen=True)
class Choice:
    """What is to be reproduced, and how.

    Attributes:
        experiments: name -> experiment.
        arms: all arms.
        data: data sets.
        budget: "smoke", "small" or "full".
        seeds: trainings of each arm.
        root: folder of all runs.
    """

    experiments: Mapping[str, Experiment]
    arms: Mapping[str, Arm]
    data: tuple[DataSet, ...]
    budget: str
    seeds: int
    root: Path

    def part(self, experiments: Iterable[Experiment]) -> tuple[list[Run], list[Job]]:
        """Runs and measuring jobs of some of the experiments."""
        wanted = wishes(experiments, self.arms, self.data)
        runs = plan_runs(wanted, self.arms, self.seeds, self.budget, self.root)
        return runs, measuring_jobs(wanted, self.arms, self.seeds, self.budget, self.root)

    def parts(self) -> list[Part]:
        """Each experiment with its own runs and measurements."""
        return [Part(each, *self.part([each])) for each in self.experiments.values()]


def choose(
    names: Sequence[str] = (),
    budget: str = "small",
    data: Sequence[str] = ("shapes",),
    seeds: int = 3,
    work_dir: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Choice:
    """Read what is asked for.

    Args:
        names: experiments; none, or "all": all.
        budget: "smoke", "small" or "full".
        data: words as `data_set` takes them; not used by "full", which is on COCO.
        seeds: trainings of each arm, 1 or more.
        work_dir: folder of all runs.

    Returns:
        The choice, everything checked.

    Raises:
        InputError: a name, data set or number that cannot be used.
    """
    if seeds < 1:
        raise InputError(f"--seeds must be 1 or more, got {seeds}")
    chosen = None if not names or "all" in names else list(names)
    sets = () if budget == "full" else tuple(data_set(word) for word in data)
    twice = {each.name for each in sets if [s.name for s in sets].count(each.name) > 1}
    if twice:
        raise InputError(f"--data: two data sets are called {', '.join(sorted(twice))}")
    return Choice(load_experiments(chosen), load_arms(), sets, budget, seeds, Path(work_dir))


def run_experiments(
    choice: Choice, workers: int = 1, dry_run: bool = False, train: bool = True
) -> None:
    """Train what is not trained yet, measure what is not measured yet.

    Args:
        choice: of `choose`.
        workers: processes side by side, a thread each.
        dry_run: only say what would be done.
        train: False: only measure what is trained.

    Raises:
        InputError: trainings or measurements crashed; the others are done. Or the budget is
            "full", which is started by hand.
    """
    if choice.budget == "full":
        if not dry_run:
            raise InputError(
                "trainings of the full budget are started with torchrun on machines of your "
                "choice: add --dry-run for the commands"
            )
        print("\n".join(full_commands(choice.experiments.values(), choice.arms, choice.seeds)))
        return
    runs, measuring = choice.part(choice.experiments.values())
    for name, data in elsewhere(choice.experiments.values(), choice.data).items():
        print(f"{name} is left out: it is on {' and '.join(data)} (--data)")
    jobs = [training_job(run) for run in runs] if train else []
    if not train:
        measuring = [job for job in measuring if all(need.is_file() for need in job.needs)]
    if dry_run:
        for job in [*jobs, *measuring]:
            print(f"{'done   ' if job.is_done() else 'to do  '} {job.label}")
        return
    # Measurements come after all trainings, so that what is long is done first.
    outcome = run_jobs([*jobs, *measuring], workers)
    _report_outcome(outcome)


def _report_outcome(outcome: Outcome) -> None:
    print(f"{len(outcome.finished)} jobs done in {duration(outcome.minutes)}")
    lines = [f"{label}, see {log}" for label, log in outcome.failed.items()]
    lines += [f"{label} waits for one that crashed" for label in outcome.waiting]
    if lines:
        raise InputError(
            f"{len(outcome.failed)} jobs crashed; the same command tries them again:\n  "
            + "\n  ".join(lines)
        )


def show_list(choice: Choice) -> None:
    """Print the experiments."""
    print(list_table(choice.parts()).text())


def show_status(choice: Choice) -> None:
    """Print how far they are."""
    print(status_table(choice.parts()).text())
