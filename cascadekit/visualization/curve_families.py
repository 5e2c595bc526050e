"""Curves of several detectors over IoU, as plain arrays: what `QualityViewer` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascadekit.errors import InputError, check_word

KINDS = ("line", "steps")


@dataclass(frozen=True)
class QualityCurve:
    """One detector at one stage; P points.

    Attributes:
        detector: name.
        stage: "final", "stage 1", ...
        x: IoU, ascending; (P,) float64, of steps (P + 1,), the edges. P may be 0.
        y: (P,) float64; nan where nothing is known.
        low: (P,) lower end of a band; None: there is none.
        high: (P,) upper end, likewise.
        summary: one number of the whole curve for its legend, as "AP 41.2"; may be "".
    """

    detector: str
    stage: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        """Raise where lengths do not fit."""
        lengths = {len(each) for each in (self.y, self.low, self.high) if each is not None}
        if len(lengths) != 1 or len(self.x) - len(self.y) not in (0, 1):
            raise InputError(
                f"curve of {self.detector!r}, {self.stage}: {len(self.x)} x do not fit y and its "
                f"band of lengths {sorted(lengths)}"
            )


@dataclass(frozen=True)
class CurveFamily:
    """Curves of one kind.

    Attributes:
        name: "AP by IoU threshold".
        xlabel: below the plot.
        ylabel: beside it.
        curves: of any detectors and stages; a detector and stage come once.
        kind: "line", or "steps": y is the share of a bin, and its value at an IoU is the sum of
            the bins from there on.
        stages: in the order in which they are offered; the first is shown at first.
        legend: where the curves leave room, as matplotlib names places.
        digits: of values in the table.
        diagonal: whether a line from (0, 0) to (1, 1) says something.
        note: a sentence below the table.
    """

    name: str
    xlabel: str
    ylabel: str
    curves: tuple[QualityCurve, ...]
    stages: tuple[str, ...]
    kind: str = "line"
    legend: str = "best"
    digits: int = 1
    diagonal: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        """Raise for another kind, an unlisted stage, or the same curve twice."""
        check_word("kind of a family of curves", self.kind, KINDS)
        seen = set()
        for curve in self.curves:
            check_word(f"{self.name}: stage of a curve", curve.stage, self.stages)
            key = (curve.detector, curve.stage)
            if key in seen:
                raise InputError(f"{self.name}: two curves of {key[0]!r}, {key[1]}")
            seen.add(key)

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names, in the order of the curves."""
        return tuple(dict.fromkeys(curve.detector for curve in self.curves))

    def pick(self, detectors: Sequence[str], stages: Sequence[str]) -> tuple[QualityCurve, ...]:
        """The curves of some detectors at some stages, in the family's order."""
        return tuple(c for c in self.curves if c.detector in detectors and c.stage in stages)

    def value(self, curve: QualityCurve, iou: float) -> tuple[float, float, float]:
        """What a curve says at an IoU.

        Args:
            curve: of this family.
            iou: where.

        Returns:
            Value and the two ends of its band; nan outside of the curve's points and where there
            is no band. Between two points of a line a straight line is drawn.
        """
        if self.kind == "steps":
            inside = curve.x[:-1] >= iou - 1e-9
            return (float(curve.y[inside].sum()) if len(curve.y) else np.nan, np.nan, np.nan)
        ends = [np.full(len(curve.y), np.nan) if e is None else e for e in (curve.low, curve.high)]
        value, low, high = (_between(curve.x, each, iou) for each in (curve.y, *ends))
        return value, low, high


def _between(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """The height of a line at a place; nan outside of its known points."""
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return float("nan")
    return float(np.interp(at, x[known], y[known], left=np.nan, right=np.nan))
