"""Share of the rois entering a stage that are positive, over u, and a u for each stage from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascadekit.quality.image_bootstrap import band, resampled_means
from cascadekit.quality.stage_arrivals import Arrivals

# The paper's later stages hold 1.3 times stage 1's share (21.7 by 16.7 %). Where stage 1 has fewer
# positives than it should, this much more is asked of the others, so that u still rises.
GROWTH = 1.3
FIRST_U, LAST_U = 0.5, 0.8  # the paper's last is .7; a fourth stage at .75 adds nothing (Table 4)
GRID = np.round(np.arange(0.4, 0.9501, 0.01), 2)


@dataclass(frozen=True)
class ShareCurve:
    """Share of the rois entering a stage that would be positive, over u.

    Attributes:
        stage: 0..T-1.
        basis: "measured" or "extrapolated".
        shares: (U,) float64 in [0, 1], at each of the report's `grid`; nan without rois.
        low: (U,) lower end: 95 % band over images where measured from a recording, what comes if
            the regressors gain nothing more where extrapolated; nan where neither is known.
        high: (U,) upper end, likewise.
        rois_per_image: nan without images.
        source: how the boxes were come by.
    """

    stage: int
    basis: str
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rois_per_image: float
    source: str


def share_curve(arrivals: Arrivals, spread: tuple[Arrivals, Arrivals] | None) -> ShareCurve:
    """The curve of a stage; `spread` are its rois at worst and at best, where extrapolated."""
    shares = shares_above(arrivals, GRID)
    low, high = np.full(len(GRID), np.nan), np.full(len(GRID), np.nan)
    if spread is not None:
        ends = [shares_above(end, GRID) for end in spread]
        low, high = np.minimum(*ends), np.maximum(*ends)
    elif (arrivals.image >= 0).any():
        low, high = _image_band(arrivals)
    return ShareCurve(
        stage=arrivals.stage,
        basis=arrivals.basis,
        shares=shares,
        low=low,
        high=high,
        rois_per_image=arrivals.per_image,
        source=arrivals.source,
    )


def shares_above(arrivals: Arrivals, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """Share of rois with an IoU of u or more, for each u: (U,) float64, nan without rois."""
    total = arrivals.weights.sum()
    if total <= 0:
        return np.full(len(thresholds), np.nan)
    order = np.argsort(arrivals.ious)
    above = np.concatenate([np.cumsum(arrivals.weights[order][::-1])[::-1], [0.0]])
    # Rounded, so that a float32 0.7 reaches the threshold 0.7.
    place = np.searchsorted(np.round(arrivals.ious[order], 6), np.asarray(thresholds))
    shares: np.ndarray = above[place] / total
    return shares


def _image_band(arrivals: Arrivals) -> tuple[np.ndarray, np.ndarray]:
    """95 % band of the shares over images drawn again."""
    images, bins = arrivals.num_images, len(GRID) + 1
    # Weight by image and by how many thresholds a roi reaches; summed from behind: that reach each.
    reached = np.searchsorted(GRID, np.round(arrivals.ious, 6), side="right")
    place = arrivals.image * bins + reached
    sums = np.bincount(place, arrivals.weights, images * bins).reshape(images, bins)
    sums = sums[:, ::-1].cumsum(1)[:, ::-1]
    totals = np.repeat(sums[:, :1], len(GRID), axis=1)
    return band(resampled_means(sums[:, 1:], totals))


def choose_thresholds(
    shares: Sequence[np.ndarray], target: float, first: float = FIRST_U
) -> tuple[float, ...]:
    """Find u of each stage: the highest that keeps the share of positives at a target.

    Args:
        shares: one curve over `GRID` per stage.
        target: wanted share in ]0, 1[. Where stage 1 has less than the paper's proportion of it,
            1.3 times stage 1's own share is wanted of the others.
        first: u of stage 1, which is not chosen.

    Returns:
        Thresholds that do not fall, on whole hundredths, at most 0.8 for the last stage and in
        equal steps up to it for those between: a regressor is best near its u (Figure 2), so boxes
        that stage 1 left at .6 would be lost on a stage 2 at .8.
    """
    if not shares:
        return ()
    own = float(np.interp(first, GRID, shares[0]))
    wanted = target if math.isnan(own) else min(target, GROWTH * own)
    chosen = [first]
    for k, curve in enumerate(shares[1:], 1):
        most = first + (max(LAST_U, first) - first) * k / (len(shares) - 1)
        reached = highest(curve, wanted)
        chosen.append(chosen[-1] if math.isnan(reached) else max(chosen[-1], min(reached, most)))
    return tuple(math.floor(100 * u + 1e-6) / 100 for u in chosen)


def highest(shares: np.ndarray, least: float) -> float:
    """The highest u of the grid at which so many are positive; nan if there is none."""
    # A target of 0 positives is reached by no box at all.
    reached = np.flatnonzero(shares >= max(least, 1e-9))
    return float(GRID[reached[-1]]) if len(reached) else math.nan
