"""Numbers read off a curve of means by IoU, as the measures `localisation` and `loss_by_iou` give.

A curve is a dict: `edges` (B + 1), `mean` (B, None for an empty bin), `count` (B). Bins with few
boxes are left out, so that single boxes decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

FEW = 10  # boxes in a bin; as in the plots of the instruments
Curve = Mapping[str, Any]


def share_improved(curve: Curve) -> float:
    """Share of the boxes that lie in bins where the mean output IoU is above the bin's middle.

    Args:
        curve: of output IoU by input IoU.

    Returns:
        A fraction; nan where no bin has enough boxes.
    """
    bins = _bins(curve)
    total = sum(count for _, _, count in bins)
    better = sum(count for middle, mean, count in bins if mean > middle)
    return better / total if total else math.nan


def gain_between(curve: Curve, low: float, high: float) -> float:
    """Mean of output minus input IoU over the bins between two IoUs, each bin counting alike.

    Args:
        curve: of output IoU by input IoU.
        low: bins whose middle is from here on.
        high: to here.

    Returns:
        IoU; nan where no such bin has enough boxes.
    """
    inside = [mean - middle for middle, mean, _ in _bins(curve) if low <= middle < high]
    return math.fsum(inside) / len(inside) if inside else math.nan


def gap_between(first: Curve, second: Curve, low: float, high: float) -> float:
    """How far one curve is above another between two IoUs.

    Args:
        first: a curve.
        second: another on the same edges.
        low: bins whose middle is from here on.
        high: to here.

    Returns:
        Mean difference over the bins that have enough boxes in both; nan where there is none.
    """
    other = {middle: mean for middle, mean, _ in _bins(second)}
    inside = [
        mean - other[middle]
        for middle, mean, _ in _bins(first)
        if low <= middle < high and middle in other
    ]
    return math.fsum(inside) / len(inside) if inside else math.nan


def _bins(curve: Curve) -> list[tuple[float, float, float]]:
    """(middle, mean, count) of the bins with enough boxes."""
    edges, means, counts = (curve.get(key) or () for key in ("edges", "mean", "count"))
    # Rounded, so that curves with the same edges have the same middles.
    middles = [round((a + b) / 2, 6) for a, b in pairwise(edges)]
    return [
        (middle, mean, count)
        for middle, mean, count in zip(middles, means, counts, strict=False)
        if mean is not None and math.isfinite(mean) and count >= FEW
    ]
