"""What was run: trainings, minutes, code and data, from the records of the runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cascadekit.experiments.arms import BENCHMARKS
from cascadekit.experiments.checks import look_up, number_of
from cascadekit.experiments.experiment import Experiment
from cascadekit.experiments.results import Results

PACKAGES = ("python", "torch", "onedl-mmengine", "onedl-mmcv", "pycocotools")


@dataclass(frozen=True)
class RunFacts:
    """The trainings behind some results.

    Attributes:
        trainings: how many; several arms may share one.
        minutes: of all trainings and measurements, as one process takes.
        versions: of the code, as "0.1.0 (1a2b3c4)".
        packages: e.g. "torch 2.14.1".
        contents: data set -> fingerprint of its training pictures and annotations; "" where the
            data set is drawn and the config says all.
        seeds: data set -> seeds.
        iterations: lowest and highest number of steps of a training; 0 where not known.
        threads: of a process; 0 where not known.
    """

    trainings: int
    minutes: float
    versions: tuple[str, ...]
    packages: tuple[str, ...]
    contents: Mapping[str, str]
    seeds: Mapping[str, tuple[int, ...]]
    iterations: tuple[int, int]
    threads: int


def run_facts(results: Results) -> RunFacts:
    """Sum up the trainings of some results.

    Args:
        results: with the records of their runs; none is fine.

    Returns:
        The facts.
    """
    runs = results.runs
    seeds: dict[str, set[int]] = {}
    for run in runs:
        seeds.setdefault(run["data"], set()).add(run["seed"])
    steps = sorted(int(run["iterations"]) for run in runs if run.get("iterations"))
    return RunFacts(
        trainings=len(runs),
        minutes=results.minutes(),
        versions=tuple(dict.fromkeys(filter(None, map(_version, runs)))),
        packages=_packages(runs),
        contents={run["data"]: str(run.get("train_content") or "") for run in runs},
        seeds={data: tuple(sorted(found)) for data, found in seeds.items()},
        iterations=(steps[0], steps[-1]) if steps else (0, 0),
        threads=max((int(run.get("threads") or 0) for run in runs), default=0),
    )


def minutes_of(experiment: Experiment, results: Results) -> float:
    """Minutes of the trainings and measurements that an experiment reads; shared ones too."""
    wanted = experiment.measures()
    trained = [
        number_of(run.get("minutes")) for run in results.runs if set(run["arms"]) & set(wanted)
    ]
    measured = [r.minutes for r in results.results if r.measure in wanted.get(r.arm, ())]
    return math.fsum(minutes for minutes in (*trained, *measured) if minutes == minutes)


def _version(run: Mapping[str, Any]) -> str:
    """Version and revision of the code, with a mark where files were changed since."""
    code = run.get("code") or {}
    if not code.get("version"):
        return ""
    revision = code.get("revision")
    text = f"{code['version']} ({str(revision)[:7]})" if revision else str(code["version"])
    return f"{text} with changes" if code.get("changed") else text


def _packages(runs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Package and version of the libraries that numbers depend on, each once."""
    found: dict[str, None] = {}
    for run in runs:
        for name in PACKAGES:
            version = look_up(run, f"versions/{name}")
            if version:
                found[f"{name} {version}"] = None
    return tuple(sorted(found, key=lambda text: PACKAGES.index(text.split()[0])))


def planned_data(results: Results, kinds: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """On which of the data sets that were used each arm is trained by plan.

    Args:
        results: with the records of their runs.
        kinds: arm -> kinds of data ("shapes", "photos") that it is trained on.

    Returns:
        Arm -> names of data sets. One of another kind ("coco") is for every arm.
    """
    kind_of = {run["data"]: run.get("kind", "photos") for run in results.runs}
    for data in results.data_names():
        kind_of.setdefault(data, data if data in ("shapes", *BENCHMARKS) else "photos")
    return {
        arm: [d for d, kind in kind_of.items() if kind in known or kind == "coco"]
        for arm, known in kinds.items()
    }
