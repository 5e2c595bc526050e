"""What `cascadekit reproduce` does: list, run, status, report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cascadekit.errors import InputError
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.data import data_set
from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.planning import plan_runs, training_job, wishes
from cascadekit.experiments.progress import duration
from cascadekit.experiments.suite import run_jobs


def reproduce(
    action: str,
    names: Sequence[str] = (),
    budget: str = "small",
    data: Sequence[str] = ("shapes",),
    seeds: int = 3,
    workers: int = 1,
    dry_run: bool = False,
    work_dir: str | os.PathLike[str] = "work_dirs/experiments",
    out: str | os.PathLike[str] = "docs/reproduction",
) -> None:
    chosen = None if not names or list(names) == ["all"] else list(names)
    experiments = load_experiments(chosen)
    arms = load_arms()
    root = Path(work_dir)
    sets = [data_set(word) for word in data]
    runs = plan_runs(wishes(experiments.values(), arms, sets), arms, seeds, budget, root)
    jobs = [training_job(run) for run in runs]
    if dry_run:
        for run in runs:
            print(run.address, "done" if run.done() else "", run.label)
        return
    outcome = run_jobs(jobs, workers)
    print(f"{len(outcome.finished)} trainings in {duration(outcome.minutes)}")
    for label, log in outcome.failed.items():
        print(f"FAILED {label}: {log}")
    if outcome.failed:
        raise InputError(f"{len(outcome.failed)} trainings failed")
