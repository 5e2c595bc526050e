"""Made-up results for the tests of the ledger and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    arm: str
    data: str
    budget: str
    seed: int
    measure: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """Records in memory, read as results are."""

    records: tuple[Record, ...]

    def values(self, arm: str, measure: str, data: str) -> dict[int, Any]:
        wanted = (arm, measure, data)
        return {r.seed: r.values for r in self.records if (r.arm, r.measure, r.data) == wanted}


def scores(numbers: Mapping[str, Sequence[float | None]], data: str = "shapes") -> Made:
    """Arm -> box AP of seeds 0, 1, ...; None: that seed was not run."""
    return Made(
        tuple(
            Record(arm, data, "small", seed, "scores", {"final": {"bbox": {"AP": value}}})
            for arm, values in numbers.items()
            for seed, value in enumerate(values)
            if value is not None
        )
    )
