"""Numbers of trained and measured runs, from their folders or from one committed file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cascadekit.errors import InputError
from cascadekit.experiments.runs import RECORD, read_json
from cascadekit.whole_file import write_json

MEASURES = "measures"
# What of a run's record goes into the committed file.
PUBLIC = (
    *("address", "arms", "data", "kind", "train_content", "seed", "budget", "needs"),
    *("iterations", "minutes", "attempts", "finished", "threads", "code", "versions"),
)


@dataclass(frozen=True)
class Result:
    """What one measure gave for one arm, data set and seed.

    Attributes:
        arm: name of the detector.
        data: name of the data set.
        budget: "smoke", "small" or "full".
        seed: of the training.
        measure: name of the measure.
        values: plain nested values; None stands for nan.
        address: of the run that was measured.
        minutes: that the measuring took, its share of a process with several measures.
        made: time, for which of two is the later.
    """

    arm: str
    data: str
    budget: str
    seed: int
    measure: str
    values: Any
    address: str = ""
    minutes: float = 0.0
    made: str = ""


@dataclass(frozen=True)
class Results:
    """All results of one budget.

    Attributes:
        results: one for each arm, data set, seed and measure.
        runs: records of the trainings behind them.
    """

    results: tuple[Result, ...]
    runs: tuple[Mapping[str, Any], ...] = ()

    def values(self, arm: str, measure: str, data: str) -> dict[int, Any]:
        """Seed -> what a measure gave; seeds without it are left out."""
        found = {
            r.seed: r.values
            for r in self.results
            if (r.arm, r.measure, r.data) == (arm, measure, data)
        }
        return dict(sorted(found.items()))

    def numbers(self, arm: str, measure: str, path: str, data: str) -> dict[int, float]:
        """One number of each seed.

        Args:
            arm: name of the detector.
            measure: name of the measure.
            path: keys and list indices in its values, joined by "/", as "final/bbox/AP90".
            data: name of the data set.

        Returns:
            Seed -> number, nan where it is not known; seeds without the measure are left out.

        Raises:
            InputError: the path leads nowhere, or to something that is no number.
        """
        found = self.values(arm, measure, data)
        return {seed: number_at(each, path, f"{measure} of {arm}") for seed, each in found.items()}

    def data_names(self) -> tuple[str, ...]:
        """Names of the data sets, the first met first."""
        return tuple(dict.fromkeys(result.data for result in self.results))

    def seeds(self) -> tuple[int, ...]:
        """All seeds, ascending."""
        return tuple(sorted({result.seed for result in self.results}))

    def minutes(self) -> float:
        """Of all trainings and measurements, of one process each."""
        trained = math.fsum(run.get("minutes") or 0.0 for run in self.runs)
        return trained + math.fsum(result.minutes for result in self.results)


def number_at(values: Any, path: str, what: str) -> float:
    """The number at a path of nested values.

    Args:
        values: dicts and lists.
        path: keys and indices, joined by "/".
        what: to be named in a message.

    Returns:
        The number; nan for None.

    Raises:
        InputError: there is no such key, or no number there.
    """
    place = values
    for key in filter(None, path.split("/")):
        if isinstance(place, Mapping) and key in place:
            place = place[key]
        elif isinstance(place, list | tuple) and key.isdigit() and int(key) < len(place):
            place = place[int(key)]
        else:
            known = ", ".join(map(str, place)) if isinstance(place, Mapping) else "no keys"
            raise InputError(f"{what} has nothing at {path!r}: at {key!r} there is {known}")
    if place is None:
        return math.nan
    if isinstance(place, bool) or not isinstance(place, int | float):
        raise InputError(f"{what} has no number at {path!r}, but {type(place).__name__}")
    return float(place)


def results_of_runs(root: str | os.PathLike[str], budget: str) -> Results:
    """Read all measured runs of a budget.

    Args:
        root: folder of all runs, as "work_dirs/experiments".
        budget: of the runs.

    Returns:
        The results; of an arm that was measured at several settings, the latest.
    """
    records, found = [], []
    for file in sorted(Path(root).glob(f"runs/*/{RECORD}")):
        record = read_json(file)
        if record["budget"] != budget:
            continue
        records.append({key: record[key] for key in PUBLIC if key in record})
        for measured in sorted(file.parent.glob(f"{MEASURES}/*.json")):
            found.append(Result(**read_json(measured)))
    return Results(_latest(found), tuple(records))


def _latest(results: Iterable[Result]) -> tuple[Result, ...]:
    kept = {
        (r.arm, r.data, r.seed, r.measure): r for r in sorted(results, key=lambda each: each.made)
    }
    return tuple(kept[key] for key in sorted(kept))


def save_results(results: Results, path: str | os.PathLike[str]) -> None:
    """Write results to one file; it names no folder of this machine."""
    rows = [asdict(result) for result in results.results]
    write_json(Path(path), {"runs": list(results.runs), "results": rows}, indent=1)


def load_results(path: str | os.PathLike[str]) -> Results:
    """Read what `save_results` wrote.

    Args:
        path: of the file.

    Returns:
        The results.

    Raises:
        InputError: there is no such file, or it is of another kind.
    """
    said = read_json(Path(path))
    try:
        return Results(tuple(Result(**row) for row in said["results"]), tuple(said["runs"]))
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no file of results: {error!r}") from None
