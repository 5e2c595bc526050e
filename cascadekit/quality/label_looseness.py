"""How loosely objects are labelled, from what a detector's boxes agree on.

Let a box's edge be off its label by bias (common to all boxes of the object) and scatter (its own).
Where labels are exact both come from the regressor: on drawn shapes, whose labels are exact, bias
was 0.97 times scatter on new pictures and 0.82 times on those trained on. A label that was drawn
by an unsteady hand adds to the bias of its object and to no box's scatter, so bias beyond scatter
is laid to the labels. A model that cannot see where an object ends, wherever it starts from, looks
just the same: no number here tells the two apart, and neither is mended by a cascade.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cascadekit.quality.object_consensus import Consensus

TO_STD = 1.4826  # median of absolute normal errors -> their std
RESAMPLES = 300
LEVEL = 0.95
DRAWS = 20_000


@dataclass(frozen=True)
class Looseness:
    """Errors of edges, as stds in widths or heights of the object; nan without objects.

    Attributes:
        bias: of the boxes' mean against the label, over objects.
        scatter: of an object's boxes about their mean, middle object.
        looseness: what of the bias is beyond the scatter; 0 where none is.
        low: lower end of the 95 % band of `looseness`, images drawn again.
        high: upper end.
        reach: share of objects that a perfect detector would box at IoU 0.9 or more with the label,
            if labels are as loose as that and nothing else is wrong.
        reach_low: at `high`.
        reach_high: at `low`.
        pixels: `looseness` in pixels that the network sees, at the middle object's size.
        num_objects: how many it is of.
        num_images: how many those are in.
    """

    bias: float
    scatter: float
    looseness: float
    low: float
    high: float
    reach: float
    reach_low: float
    reach_high: float
    pixels: float
    num_objects: int
    num_images: int


def compute_looseness(consensus: Consensus, seed: int = 0) -> Looseness:
    """Part the boxes' errors into scatter, and bias beyond it.

    Args:
        consensus: of `compute_consensus`; may be of no objects.
        seed: of the images drawn for the bands.

    Returns:
        The parts, and what they leave of IoU 0.9.
    """
    # Medians: a roi that is drawn to a neighbour is no measure of an edge.
    bias, scatter = np.abs(consensus.bias), consensus.scatter
    images = np.unique(consensus.image)
    if not len(images):
        return Looseness(*[math.nan] * 9, num_objects=0, num_images=0)
    first = np.searchsorted(consensus.image, images)
    last = np.searchsorted(consensus.image, images, side="right")
    generator = np.random.default_rng(seed)
    draws = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, len(images), len(images))
        rows = np.concatenate([np.arange(first[i], last[i]) for i in drawn])
        draws.append(_beyond(*_stds(bias[rows], scatter[rows])))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    own_bias, own_scatter = _stds(bias, scatter)
    looseness = _beyond(own_bias, own_scatter)
    return Looseness(
        bias=own_bias,
        scatter=own_scatter,
        looseness=looseness,
        low=float(low),
        high=float(high),
        reach=reachable(looseness, 0.9),
        reach_low=reachable(float(high), 0.9),
        reach_high=reachable(float(low), 0.9),
        pixels=looseness * float(np.median(consensus.pixels)),
        num_objects=len(consensus.image),
        num_images=len(images),
    )


def _stds(bias: np.ndarray, scatter: np.ndarray) -> tuple[float, float]:
    """Robust std of absolute biases (N, 4), and the middle of the scatters (N, 4)."""
    return TO_STD * float(np.median(bias)), float(np.median(scatter))


def _beyond(bias: float, scatter: float) -> float:
    return math.sqrt(max(bias**2 - scatter**2, 0.0))


def reachable(looseness: float, iou: float) -> float:
    """Share of boxes with such an IoU or more when each of four edges is off by a normal error.

    Args:
        looseness: std of the error, in widths or heights of the box.
        iou: the IoU to reach, in [0, 1].

    Returns:
        Share in [0, 1], by 20,000 draws that are always the same; nan for nan.
    """
    if math.isnan(looseness):
        return math.nan
    left, top, right, bottom = np.random.default_rng(0).normal(0, looseness, (4, DRAWS))
    width, height = 1 + right - left, 1 + bottom - top
    inner = np.clip(np.minimum(1 + right, 1) - np.maximum(left, 0), 0, None)
    inner = inner * np.clip(np.minimum(1 + bottom, 1) - np.maximum(top, 0), 0, None)
    union = np.clip(width, 0, None) * np.clip(height, 0, None) + 1 - inner
    return float((inner / union >= iou).mean())
