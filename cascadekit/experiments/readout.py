"""What tables and figures read: numbers of a row over seeds, per data set."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cascadekit.experiments.arms import BENCHMARKS
from cascadekit.experiments.checks import ResultSource, look_up, number_of
from cascadekit.experiments.cost_records import FULL_SIZE
from cascadekit.experiments.experiment import Experiment, Row

PHOTOS = "cards"  # experiments name photos so, whatever set of photos was given
DRAWN = ("shapes", "coco", FULL_SIZE, *BENCHMARKS)  # data sets that go by their own name
# Measures without a number for each column of a table.
CURVES = ("localisation", "loss_by_iou", "pictures", "suggestion")


@dataclass(frozen=True)
class Spread:
    """A number over seeds.

    Attributes:
        by_seed: seed -> number; at least one.
    """

    by_seed: Mapping[int, float]

    @property
    def count(self) -> int:
        """How many seeds."""
        return len(self.by_seed)

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return math.fsum(self.by_seed.values()) / self.count

    @property
    def std(self) -> float:
        """With n - 1 in the denominator; nan for one seed."""
        if self.count < 2:
            return math.nan
        squares = math.fsum((value - self.mean) ** 2 for value in self.by_seed.values())
        return math.sqrt(squares / (self.count - 1))


@dataclass(frozen=True)
class View:
    """Results as an experiment's page needs them.

    Attributes:
        results: to read from.
        data: names of the data sets that there are results of, in the order of the page.
        plan: arm -> data sets that it is trained on by plan; None: all on all.
    """

    results: ResultSource
    data: tuple[str, ...]
    plan: Mapping[str, Collection[str]] | None = None

    def data_of(self, experiment: Experiment) -> tuple[str, ...]:
        """The data sets of an experiment that there are results of."""
        return tuple(d for d in self.data if _slot(d) in experiment.data)

    def planned(self, row: Row, data: str) -> bool:
        """Whether a row is to be had on a data set at all."""
        if row.given or data == FULL_SIZE:
            return row.given and data == FULL_SIZE
        return self.plan is None or data in self.plan.get(row.arm, ())

    def values(self, row: Row, measure: str, data: str) -> dict[int, Any]:
        """Seed -> what is at the row's path in a measure; seeds without it are left out."""
        if measure not in row.reads:
            return {}
        read = self.results.values(row.arm, measure, data)
        found = {seed: look_up(values, row.reads[measure]) for seed, values in read.items()}
        return {seed: found[seed] for seed in sorted(found) if found[seed] is not None}

    def spread(self, row: Row, path: str, data: str, scale: float = 1.0) -> Spread | None:
        """A number below the row's path in its table measure; None without any seed."""
        measure = table_measure(row)
        if measure is None:
            return None
        found = {
            seed: scale * number_of(look_up(values, path))
            for seed, values in self.values(row, measure, data).items()
        }
        known = {seed: value for seed, value in found.items() if not math.isnan(value)}
        return Spread(known) if known else None

    def missing(self, experiment: Experiment) -> tuple[str, ...]:
        """What of an experiment was planned and is not there, as "arm: measure on data"."""
        absent: dict[str, None] = {}
        for data in self.data_of(experiment):
            for row in experiment.rows:
                for measure in row.reads:
                    if self.planned(row, data) and not self.values(row, measure, data):
                        absent[f"{row.arm}: {measure} on {data}"] = None
        return tuple(absent)

    def any_result(self, experiment: Experiment) -> bool:
        """Whether there is anything to show."""
        return any(
            self.values(row, measure, data)
            for data in self.data_of(experiment)
            for row in experiment.rows
            for measure in row.reads
        )


def _slot(data: str) -> str:
    """How experiments call a data set."""
    return data if data in DRAWN else PHOTOS


def table_measure(row: Row) -> str | None:
    """The measure that a row's cells are read from; None where it has curves alone."""
    return next((measure for measure in row.reads if measure not in CURVES), None)


def compared(first: Spread | None, second: Spread | None, ratio: bool = False) -> Spread | None:
    """First minus second (or over it), seed by seed; None without a common seed."""
    if first is None or second is None:
        return None
    common = [seed for seed in first.by_seed if seed in second.by_seed]
    if ratio:
        common = [seed for seed in common if second.by_seed[seed] != 0]
    pairs = {seed: (first.by_seed[seed], second.by_seed[seed]) for seed in common}
    found = {seed: a / b if ratio else a - b for seed, (a, b) in pairs.items()}
    return Spread(found) if found else None


def seeds_text(counts: Collection[int]) -> str:
    """How many seeds, for captions: "3 seeds", "1 to 3 seeds"."""
    if not counts:
        return "no seeds"
    low, high = min(counts), max(counts)
    return f"{high} seed{'s' if high > 1 else ''}" if low == high else f"{low} to {high} seeds"
