"""A claim as statements on numbers, and what a statement gives on one data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cascadekit.errors import InputError, check_word
from cascadekit.experiments.statistics import (
    DIRECTIONS,
    OPEN,
    Interval,
    decide,
    known_interval,
    mean_interval,
    seeds_needed,
    transformed,
)

# unit -> (what numbers in results are multiplied with, decimals, how it is written)
UNITS = {
    "AP": (100.0, 1, "AP"),
    "AR": (100.0, 1, "AR"),
    "%": (100.0, 1, "%"),
    "IoU": (1.0, 3, "IoU"),
    "x": (1.0, 2, "x"),
}


class ResultSource(Protocol):
    """Where numbers come from; `results.py` has one, tests another."""

    def values(self, arm: str, measure: str, data: str) -> Mapping[int, Any]:
        """Seed -> what the measure gave; seeds without it are left out."""


@dataclass(frozen=True)
class Reading:
    """A place in the results of an arm.

    Attributes:
        arm: name of the detector.
        measure: name of the measure.
        path: keys and list indices below it, joined by "/"; "" for all of it.
    """

    arm: str
    measure: str
    path: str = ""

    def __str__(self) -> str:
        """As the ledger shows it."""
        return f"{self.arm}: {self.measure} {self.path}".rstrip()


@dataclass(frozen=True)
class Formula:
    """A number worked out from several places, seed by seed.

    Attributes:
        text: what it is, in words.
        function: takes what is at each reading (numbers, or lists and dicts) -> a number, nan
            where it cannot be told.
        readings: its arguments.
    """

    text: str
    function: Callable[..., float]
    readings: tuple[Reading, ...]

    def __str__(self) -> str:
        """As the ledger shows it."""
        return f"{self.text} ({'; '.join(map(str, self.readings))})"


Quantity = Reading | Formula | float


@dataclass(frozen=True)
class Check:
    """One falsifiable statement: left - right (or left / right) against a margin.

    Attributes:
        what: in plain words.
        left: a quantity.
        right: what it is compared with; 0 where the left says it all.
        margin: in the unit, fixed before results are looked at; of "within", half the width.
        direction: "above", "below" or "within", as in `statistics.decide`.
        reason: why this margin.
        unit: a key of `UNITS`; "x" compares by ratio, on a log scale, and its margin is a factor.
        paper: the same difference in the paper, in the unit; None where it prints none.
        error: half the width of the interval where the error of a measurement is known and seeds
            play no part (in the unit; a factor for "x"); None: the interval is over seeds.
        data: the only data sets that it is about; empty: all.
    """

    what: str
    left: Quantity
    right: Quantity
    margin: float
    direction: str
    reason: str
    unit: str = "AP"
    paper: float | None = None
    error: float | None = None
    data: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise where the statement cannot be judged."""
        check_word(f"{self.what}: direction", self.direction, DIRECTIONS)
        check_word(f"{self.what}: unit", self.unit, UNITS)
        for name, value in (("margin", self.margin), ("error", self.error)):
            if self.unit == "x" and value is not None and value <= 0:
                raise InputError(f"{self.what}: {name} is a factor, so above 0; got {value:g}")
        if self.direction == "within" and self.margin <= (1 if self.unit == "x" else 0):
            raise InputError(f"{self.what}: nothing is equal within {self.margin:g}")

    def readings(self) -> Iterator[Reading]:
        """All places it reads."""
        for side in (self.left, self.right):
            if isinstance(side, Reading):
                yield side
            elif isinstance(side, Formula):
                yield from side.readings

    def arms(self) -> tuple[str, ...]:
        """The arms it reads, without repetition."""
        return tuple(dict.fromkeys(reading.arm for reading in self.readings()))

    def needs(self) -> str:
        """What has to be true, e.g. "> 1.0 AP"."""
        _, digits, unit = UNITS[self.unit]
        margin = f"{self.margin:.{digits}f}"
        if self.unit == "x":
            between = f"x {1 / self.margin:.{digits}f} to x {margin}"
            return {"above": f"> x {margin}", "below": f"< x {margin}", "within": between}[
                self.direction
            ]
        sign = {"above": "> ", "below": "< ", "within": "within ± "}[self.direction]
        return f"{sign}{margin} {unit}"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        name: "C1" to "C17".
        statement: in plain words.
        source: where the paper says it.
        checks: all of them have to hold.
        note: what to know when reading the verdict.
    """

    name: str
    statement: str
    source: str
    checks: tuple[Check, ...]
    note: str = ""


@dataclass(frozen=True)
class CheckResult:
    """What became of a statement on one data set.

    Attributes:
        check: the statement.
        by_seed: seed -> difference in the unit (ratio for "x"); may be empty.
        interval: in the unit; None without numbers.
        verdict: one of `statistics.VERDICTS`.
        note: what is missing, or what would decide; "" for nothing.
    """

    check: Check
    by_seed: Mapping[int, float]
    interval: Interval | None
    verdict: str
    note: str


def look_up(values: Any, path: str) -> Any:
    """What is at a path of keys and list indices; None where nothing is."""
    for key in path.split("/") if path else ():
        if isinstance(values, Mapping):
            values = values.get(key)
        elif isinstance(values, list | tuple) and key.lstrip("-").isdigit():
            values = values[int(key)] if -len(values) <= int(key) < len(values) else None
        else:
            return None
    return values


def number_of(value: Any) -> float:
    """A value as a number; nan for what is none (missing numbers are None in results)."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and math.isfinite(value) else math.nan


def evaluate(check: Check, results: ResultSource, data: str) -> CheckResult:
    """Judge one statement on one data set.

    Args:
        check: the statement.
        results: to read from; seeds that lack a number on either side are left out.
        data: name of the data set.

    Returns:
        Differences of each seed, their interval, the verdict.
    """
    ratio = check.unit == "x"
    scale = UNITS[check.unit][0]
    left, right = (_by_seed(side, results, data) for side in (check.left, check.right))
    seeds = [s for s in sorted(left or right or ()) if _known(left, s) and _known(right, s)]
    pairs = {s: (_at(left, s, check.left), _at(right, s, check.right)) for s in seeds}
    if ratio:
        logs = {s: math.log(a / b) for s, (a, b) in pairs.items() if a > 0 and b > 0}
        return _judged(check, logs, math.log(check.margin), math.exp, results, data)
    differences = {s: scale * (a - b) for s, (a, b) in pairs.items()}
    return _judged(check, differences, check.margin, lambda value: value, results, data)


def _by_seed(side: Quantity, results: ResultSource, data: str) -> dict[int, float] | None:
    """Seed -> number, without those that are not known; None for a number of its own."""
    if isinstance(side, int | float):
        return None
    readings = (side,) if isinstance(side, Reading) else side.readings
    read = [results.values(r.arm, r.measure, data) for r in readings]
    found = {}
    for seed in read[0]:
        if not all(seed in values for values in read):
            continue
        places = [look_up(v[seed], r.path) for v, r in zip(read, readings, strict=True)]
        if any(place is None for place in places):
            continue
        if isinstance(side, Formula):
            found[seed] = number_of(side.function(*places))
        else:
            found[seed] = number_of(places[0])
    return {seed: value for seed, value in found.items() if not math.isnan(value)}


def _known(side: Mapping[int, float] | None, seed: int) -> bool:
    return side is None or seed in side


def _at(side: Mapping[int, float] | None, seed: int, quantity: Quantity) -> float:
    if side is not None:
        return side[seed]
    assert isinstance(quantity, int | float)
    return float(quantity)


def _judged(
    check: Check,
    differences: Mapping[int, float],
    margin: float,
    shown: Callable[[float], float],
    results: ResultSource,
    data: str,
) -> CheckResult:
    """Interval and verdict of differences; `shown` turns them into the check's unit."""
    by_seed = {seed: shown(value) for seed, value in differences.items()}
    if not differences:
        return CheckResult(check, by_seed, None, OPEN, _missing(check, results, data))
    if check.error is not None:
        error = math.log(check.error) if check.unit == "x" else check.error
        interval = known_interval(list(differences.values()), error)
        verdict = decide(interval, margin, check.direction)
        return CheckResult(check, by_seed, transformed(interval, shown), verdict, "")
    interval = mean_interval(list(differences.values()))
    verdict, note = OPEN, ""
    if interval.count < 2:
        note = "one seed: two or more are needed"
    elif not interval.spreads:
        note = "every seed gave the same difference, so nothing is known of their spread"
    else:
        verdict = decide(interval, margin, check.direction)
        if verdict == OPEN:
            more = seeds_needed(interval, margin, check.direction)
            note = "more than 100 seeds" if more is None else f"about {more} seeds"
            note += " of this spread would decide"
    return CheckResult(check, by_seed, transformed(interval, shown), verdict, note)


def _missing(check: Check, results: ResultSource, data: str) -> str:
    """Which numbers are not there."""
    absent = [
        str(r)
        for r in check.readings()
        if not any(
            look_up(v, r.path) is not None for v in results.values(r.arm, r.measure, data).values()
        )
    ]
    if absent:
        return f"not run: {', '.join(dict.fromkeys(absent))}"
    return "no seed has all the numbers"
