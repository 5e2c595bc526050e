"""Which trainings some experiments need, each once, in the order in which they serve most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascadekit.experiments.arms import Arm
from cascadekit.experiments.data import DataSet
from cascadekit.experiments.experiment import Experiment
from cascadekit.experiments.runs import RECORD, Run, make_run, write_plan
from cascadekit.experiments.suite import Job

DRAWN, PHOTOS = "shapes", "cards"  # how experiments name the two kinds of data
STANDARD_ITERATIONS = 300


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
            if (DRAWN if chosen.kind == "shapes" else PHOTOS) not in experiment.data:
                continue
            for name, measures in experiment.measures().items():
                arm = arms.get(name)
                if arm is not None and (chosen.kind in arm.small_data or chosen.kind == "coco"):
                    found.append(Wish(name, chosen, measures))
    return found


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
        done=run.folder / RECORD,
        needs=() if run.needs is None else (run.needs.folder / RECORD,),
        weight=run.config.train_cfg.max_iters / STANDARD_ITERATIONS,
        prepare=lambda: write_plan(run),
    )
