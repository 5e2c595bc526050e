"""How sure any figure of any metric is, and whether one set of detections is better than another.

A metric matches once and then gives its figures for any choice of images: a function of how often
each image counts. Images are drawn again, with replacement, and that function is called anew, so a
draw costs a pass over the detections and no matching. The draws, the intervals and what they cannot
say are those of `bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascadekit.errors import InputError
from cascadekit.evaluation.bootstrap import (
    FEW,
    LEVEL,
    ROUNDS,
    ApDistribution,
    Comparison,
    compare_draws,
    draw_images,
)

# How often each image counts, (I,) whole numbers, or None for once -> name -> fraction.
Figures = Callable[[np.ndarray | None], Mapping[str, float]]


@dataclass(frozen=True)
class Spread:
    """Figures of one set of detections, on the images as they are and on drawn ones.

    Attributes:
        names: F figures.
        distribution: their values and draws, columns in the order of `names`.
    """

    names: tuple[str, ...]
    distribution: ApDistribution

    @property
    def values(self) -> dict[str, float]:
        """Name -> fraction, of every image once."""
        return dict(zip(self.names, self.distribution.values.tolist(), strict=True))

    def intervals(self, level: float = LEVEL) -> dict[str, tuple[float, float]]:
        """Name -> lower and upper end; nan without draws, objects or with too few images.

        Args:
            level: share of the draws inside.

        Returns:
            Fractions in [0, 1].
        """
        if self.distribution.num_images < FEW:
            return dict.fromkeys(self.names, (float("nan"), float("nan")))
        low, high = self.distribution.band(level)
        ends = zip(low.tolist(), high.tolist(), strict=True)
        return dict(zip(self.names, ends, strict=True))


def spread(figures: Figures, num_images: int, rounds: int = ROUNDS, seed: int = 0) -> Spread:
    """Figures and how they vary with the choice of images.

    Args:
        figures: of a metric that has matched; it always gives the same names.
        num_images: I; may be 0.
        rounds: number of draws, 0 or more; 0 gives the values alone.
        seed: of the draws; equal seeds draw equal images of equally many.

    Returns:
        Values and draws.

    Raises:
        InputError: `rounds` is negative.
    """
    values = figures(None)
    names = tuple(values)
    drawn = np.full((rounds if rounds > 0 else 0, len(names)), np.nan)
    for row, weights in enumerate(draw_images(num_images, rounds, seed)):
        found = figures(weights)
        drawn[row] = [found[name] for name in names]
    own = np.array([values[name] for name in names], np.float64)
    return Spread(names, ApDistribution(own, drawn, seed, num_images))


@dataclass(frozen=True)
class Contrast:
    """Detections B against A on the same images, figure by figure.

    Attributes:
        names: F figures, those that both have.
        lower_is_better: as for miss rates.
        comparison: differences B - A, columns in the order of `names`.
    """

    names: tuple[str, ...]
    lower_is_better: bool
    comparison: Comparison

    def difference(self, name: str) -> tuple[float, float, float]:
        """B minus A of one figure, and the ends of its interval; nan where unknown."""
        k, c = self._column(name), self.comparison
        return float(c.difference[k]), float(c.low[k]), float(c.high[k])

    def share_better(self, name: str) -> float:
        """Share of the draws in which B is better, ties counted half; nan without draws."""
        share = float(self.comparison.share_better[self._column(name)])
        return 1 - share if self.lower_is_better else share

    def sign(self, name: str) -> int:
        """1 where B is surely better, -1 where A is, 0 where these data do not decide."""
        _, low, high = self.difference(name)
        if self.comparison.num_images < FEW:
            return 0
        higher = int(low > 0) - int(high < 0)  # nan is neither
        return -higher if self.lower_is_better else higher

    def verdict(self, name: str) -> str:
        """The same in plain words: "B is better", "A is better", "not decided on this data"."""
        return {1: "B is better", -1: "A is better"}.get(
            self.sign(name), "not decided on this data"
        )

    def _column(self, name: str) -> int:
        return self.names.index(name)


def contrast(a: Spread, b: Spread, lower_is_better: bool = False, level: float = LEVEL) -> Contrast:
    """Compare two sets of detections on the same draws of the same images.

    Args:
        a: of one set of detections.
        b: of another one on the same ground truth, with the same seed and number of draws.
        lower_is_better: as for miss rates.
        level: of the intervals.

    Returns:
        B against A. Both are scored on the same draws, which makes the interval of the difference
        much narrower than two intervals beside each other suggest.

    Raises:
        InputError: they have no figure in common, or other draws.
    """
    names = tuple(name for name in a.names if name in b.names)
    if not names:
        raise InputError(f"nothing to compare: A has {a.names}, B has {b.names}")
    chosen = [_columns(one, names) for one in (a, b)]
    return Contrast(names, lower_is_better, compare_draws(*chosen, level))


def _columns(one: Spread, names: Sequence[str]) -> ApDistribution:
    columns = [one.names.index(name) for name in names]
    found = one.distribution
    return ApDistribution(
        found.values[columns], found.draws[:, columns], found.seed, found.num_images
    )
