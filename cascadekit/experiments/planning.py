"""What some experiments need: trainings, each once, the most wanted first, and measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascadekit.experiments.arms import BENCHMARKS, Arm
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import DataSet
from cascadekit.experiments.experiment import Experiment
from cascadekit.experiments.measuring import measure_file, testing_settings, write_measuring_plan
from cascadekit.experiments.results import MEASURES
from cascadekit.experiments.runs import RECORD, Run, make_run, write_plan
from cascadekit.experiments.suite import Job

DRAWN, PHOTOS = "shapes", "cards"  # how experiments name the two kinds of data
STANDARD_ITERATIONS = 300
MEASURING_WEIGHT = 0.25  # beside a training's of 1
ALONE = ("cost",)  # measures that take the time
WITH_CASCADE = ("swap",)  # measures that need the cascade of the same data and seed


@dataclass(frozen=True)
class Wish:
    """That an experiment reads an arm on a data set.

    Attributes:
        arm: name.
        data: the data set.
        measures: what is read.
    """

    arm: str
    data: DataSet
    measures: tuple[str, ...]


def wishes(
    experiments: Iterable[Experiment], arms: Mapping[str, Arm], data: Sequence[DataSet]
) -> list[Wish]:
    """What experiments read, on which data; arms that are not trained here are left out.

    Args:
        experiments: in any order.
        arms: all of them.
        data: to train on. A folder of photos has the place of the cards, whatever its name.

    Returns:
        A wish for each experiment, arm and data set; several may agree.
    """
    found = []
    for experiment in experiments:
        for chosen in data:
            if _slot(chosen) not in experiment.data:
                continue
            for name, measures in experiment.measures().items():
                arm = arms.get(name)
                if arm is not None and (chosen.kind in arm.small_data or chosen.kind == "coco"):
                    found.append(Wish(name, chosen, measures))
    return found


def _slot(data: DataSet) -> str:
    """How experiments call a data set."""
    return data.name if data.kind in (DRAWN, *BENCHMARKS) else PHOTOS


def elsewhere(
    experiments: Iterable[Experiment], data: Sequence[DataSet]
) -> dict[str, tuple[str, ...]]:
    """Experiments that none of the data sets is for.

    Args:
        experiments: in any order.
        data: that were chosen.

    Returns:
        Name -> what they are on, as the experiments call it.
    """
    slots = {_slot(chosen) for chosen in data}
    return {each.name: each.data for each in experiments if not slots & set(each.data)}


def plan_runs(
    wanted: Sequence[Wish],
    arms: Mapping[str, Arm],
    seeds: int,
    budget: str,
    root: Path,
) -> list[Run]:
    """The trainings behind some wishes, each once.

    Args:
        wanted: of `wishes`.
        arms: all of them.
        seeds: how many, from 0.
        budget: as in `arm_config`.
        root: folder of all runs.

    Returns:
        Seed 0 of everything before seed 1, and the most wanted first; what a run needs before it.
    """
    sets = {wish.data.name: wish.data for wish in wanted}
    count = Counter((arms[w.arm].trained_as or w.arm, w.data.name) for w in wanted)
    pairs = dict.fromkeys(pair for pair, _ in count.most_common())
    runs: dict[str, Run] = {}
    for seed in range(seeds):
        for name, where in pairs:
            run = make_run(arms, name, sets[where], seed, budget, root)
            if run.needs is not None:
                runs.setdefault(run.needs.address, run.needs)
            runs.setdefault(run.address, run)
    return list(runs.values())


def training_job(run: Run) -> Job:
    """The process that trains a run."""
    return Job(
        label=run.label,
        command=("-m", "cascadekit.experiments.worker", str(run.folder)),
        log=run.folder / "train.log",
        done=(run.folder / RECORD,),
        needs=() if run.needs is None else (run.needs.folder / RECORD,),
        weight=run.config.train_cfg.max_iters / STANDARD_ITERATIONS,
        prepare=lambda: write_plan(run),
    )


def measuring_jobs(
    wanted: Sequence[Wish],
    arms: Mapping[str, Arm],
    seeds: int,
    budget: str,
    root: Path,
    only: Iterable[str] | None = None,
) -> list[Job]:
    """The processes that measure what some wishes ask for: one for each arm, data set and seed.

    Args:
        wanted: of `wishes`.
        arms: all of them.
        seeds: how many, from 0.
        budget: as in `arm_config`.
        root: folder of all runs.
        only: measures that can be taken; None: all.

    Returns:
        Jobs, seed 0 of everything first; those that take the time are alone.
    """
    measures: dict[tuple[str, str], dict[str, None]] = {}
    for wish in wanted:
        known = [m for m in wish.measures if only is None or m in only]
        measures.setdefault((wish.arm, wish.data.name), {}).update(dict.fromkeys(known))
    sets = {wish.data.name: wish.data for wish in wanted}
    jobs = []
    for seed in range(seeds):
        for (name, where), names in measures.items():
            run = make_run(arms, name, sets[where], seed, budget, root)
            for alone in (False, True):
                chosen = [measure for measure in names if (measure in ALONE) == alone]
                if chosen:
                    jobs.append(_measuring_job(run, arms, name, chosen, alone))
    return jobs


def _measuring_job(
    run: Run, arms: Mapping[str, Arm], name: str, measures: Sequence[str], alone: bool
) -> Job:
    config = arm_config(arms[name], run.data, run.budget)
    settings = testing_settings(run, config)
    files = {measure: measure_file(run, name, measure, settings) for measure in measures}
    plan = run.folder / MEASURES / f"plan_{name}{'_alone' if alone else ''}.py"
    needs, cascade = [run.folder / RECORD], None
    if set(measures) & set(WITH_CASCADE):
        cascade = make_run(arms, "cascade", run.data, run.seed, run.budget, run.root).folder
        needs.append(cascade / RECORD)

    def prepare() -> None:
        missing = {measure: file for measure, file in files.items() if not file.is_file()}
        write_measuring_plan(plan, name, config, missing, cascade)

    return Job(
        label=f"{', '.join(measures)} of {name} on {run.data.name}, seed {run.seed}",
        command=("-m", "cascadekit.experiments.measuring", str(run.folder), str(plan)),
        log=run.folder / MEASURES / f"{name}.log",
        done=tuple(files.values()),
        needs=tuple(needs),
        weight=MEASURING_WEIGHT,
        alone=alone,
        prepare=prepare,
    )
