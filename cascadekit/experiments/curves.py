"""Numbers read off a curve of means by IoU, as the measures `localisation` and `loss_by_iou` give.

A curve is a dict: `edges` (B + 1), `mean` (B, None for an empty bin), `count` (B), and perhaps
`input`, the mean IoU of the boxes in each bin (B; else it is taken to be the bin's middle). Bins
with few boxes are left out, so that single boxes decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

FEW = 10  # boxes in a bin; as in the plots of the instruments
Curve = Mapping[str, Any]


def gain_between(curve: Curve, low: float, high: float) -> float:
    """Mean of output minus input IoU over the bins between two IoUs, each bin counting alike.

    Args:
        curve: of output IoU by input IoU.
        low: bins whose middle is from here on.
        high: to here.

    Returns:
        IoU; nan where no such bin has enough boxes.
    """
    inside = [b.mean - b.input for b in _bins(curve) if low <= b.middle < high]
    return math.fsum(inside) / len(inside) if inside else math.nan


def gap_between(first: Curve, second: Curve, low: float, high: float) -> float:
    """How far one curve is above another between two IoUs, measured from the diagonal.

    Inside a bin one curve's boxes may come in a little better than the other's; counted from the
    diagonal this makes no difference.

    Args:
        first: a curve.
        second: another on the same edges.
        low: bins whose middle is from here on.
        high: to here.

    Returns:
        Mean difference over the bins that have enough boxes in both; nan where there is none.
    """
    other = {b.middle: b.mean - b.input for b in _bins(second)}
    inside = [
        b.mean - b.input - other[b.middle]
        for b in _bins(first)
        if low <= b.middle < high and b.middle in other
    ]
    return math.fsum(inside) / len(inside) if inside else math.nan


@dataclass(frozen=True)
class _Bin:
    """A bin with enough boxes; its middle is rounded, so that equal bins have equal ones."""

    middle: float
    input: float
    mean: float


def _bins(curve: Curve) -> list[_Bin]:
    edges, means, counts = (curve.get(key) or () for key in ("edges", "mean", "count"))
    middles = [round((a + b) / 2, 6) for a, b in pairwise(edges)]
    inputs = curve.get("input") or middles
    return [
        _Bin(middle, middle if given is None else given, mean)
        for middle, given, mean, count in zip(middles, inputs, means, counts, strict=False)
        if mean is not None and math.isfinite(mean) and count >= FEW
    ]
