"""How loosely objects are labelled, from what a detector's boxes agree on.

Let a box's edge be off its label by bias (common to all boxes of the object) and scatter (its own).
Where labels are exact both come from the regressor, and are about alike: see `EXACT`. A label that
was drawn by an unsteady hand adds to the bias of its object and to no box's scatter, so bias beyond
scatter is laid to the labels. A model that cannot see where an object ends, wherever it starts
from, looks just the same: no number here tells the two apart, and neither is mended by a cascade.

Checked: normal errors of 2, 3, 4 and 6 % of the size, added to the labels of photos of cards after
training, were found as 2.0, 3.3, 4.3 and 6.2 %. Where boxes scatter widely (7 % on drawn shapes)
errors that are smaller are seen only in part: 4 and 6 % were found as 3.3 and 4.3 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cascadekit.quality.object_consensus import Consensus

# Bias by scatter with exact labels: least, middle, most. On pictures that the detector was not
# trained on it was .90 and .84 (drawn shapes, two trainings), .97 and .93 (photos of cards with
# tight boxes); on pictures that it was trained on .74, .80, .67 and .58.
EXACT = {"held out": (0.84, 0.91, 0.97), "trained on": (0.58, 0.7, 0.8)}
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
        looseness: what of the bias is beyond that of exact labels; 0 where none is.
        share: of the squared error of a box (bias and scatter) that is laid to the labels, in
            [0, 1].
        low: lower end of `share`: 95 % band over images drawn again, with the most bias that exact
            labels had.
        high: upper end, with the least.
        agreement: middle IoU of two labels of one object, if both are as loose as that.
        reach: share of objects that a perfect detector would box at IoU 0.9 or more with the label.
        pixels: `looseness` in pixels that the network sees, at the middle object's size.
        num_objects: how many it is of.
        num_images: how many those are in.
    """

    bias: float
    scatter: float
    looseness: float
    share: float
    low: float
    high: float
    agreement: float
    reach: float
    pixels: float
    num_objects: int
    num_images: int


def compute_looseness(consensus: Consensus, trained_on: bool = False, seed: int = 0) -> Looseness:
    """Part the boxes' errors into the regressor's, and bias beyond that.

    Args:
        consensus: of `compute_consensus`; may be of no objects.
        trained_on: whether the detector was trained on these images.
        seed: of the images drawn for the band.

    Returns:
        The parts, and what they mean in IoU.
    """
    least, middle, most = EXACT["trained on" if trained_on else "held out"]
    images = np.unique(consensus.image)
    if not len(images):
        return Looseness(*[math.nan] * 9, num_objects=0, num_images=0)
    bias, scatter = _stds(np.abs(consensus.bias), consensus.scatter, consensus.rois)
    draws = _redrawn(consensus, images, seed)
    looseness = math.sqrt(_beyond(bias, scatter, middle))
    return Looseness(
        bias=bias,
        scatter=scatter,
        looseness=looseness,
        share=_share(bias, scatter, middle),
        low=float(np.quantile([_share(b, s, most) for b, s in draws], (1 - LEVEL) / 2)),
        high=float(np.quantile([_share(b, s, least) for b, s in draws], (1 + LEVEL) / 2)),
        agreement=float(np.median(_ious(looseness * math.sqrt(2)))),
        reach=float((_ious(looseness) >= 0.9).mean()),
        pixels=looseness * float(np.median(consensus.pixels)),
        num_objects=len(consensus.image),
        num_images=len(images),
    )


def _redrawn(consensus: Consensus, images: np.ndarray, seed: int) -> list[tuple[float, float]]:
    """Bias and scatter of images drawn again, with replacement."""
    bias, scatter, rois = np.abs(consensus.bias), consensus.scatter, consensus.rois
    first = np.searchsorted(consensus.image, images)
    last = np.searchsorted(consensus.image, images, side="right")
    generator = np.random.default_rng(seed)
    draws = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, len(images), len(images))
        rows = np.concatenate([np.arange(first[i], last[i]) for i in drawn])
        draws.append(_stds(bias[rows], scatter[rows], rois[rows]))
    return draws


def _stds(bias: np.ndarray, scatter: np.ndarray, rois: np.ndarray) -> tuple[float, float]:
    """Std of the bias and middle scatter, from absolute biases (N, 4), stds (N, 4), counts (N,).

    Medians: a roi that is drawn to a neighbour is no measure of an edge. The median of variances of
    few boxes is too low by (1 - 2 / (9 (n - 1)))^3, Wilson and Hilferty's approximation; and the
    mean of n boxes still has a share of 1 / n of their variance, which is no bias.
    """
    variances = scatter**2 / (1 - 2 / (9 * (rois[:, None] - 1))) ** 3
    whole = (TO_STD * float(np.median(bias))) ** 2
    own = max(whole - float(np.median(variances / rois[:, None])), 0.0)
    return math.sqrt(own), math.sqrt(float(np.median(variances)))


def _beyond(bias: float, scatter: float, exact: float) -> float:
    """Squared bias beyond what exact labels would have."""
    return max(bias**2 - (exact * scatter) ** 2, 0.0)


def _share(bias: float, scatter: float, exact: float) -> float:
    """The same as a share of the whole squared error; 0 where there is no error."""
    return _beyond(bias, scatter, exact) / max(bias**2 + scatter**2, 1e-12)


def _ious(error: float) -> np.ndarray:
    """IoUs (20,000,) of a box with itself, each of its edges moved by a normal error.

    Args:
        error: std, in widths or heights of the box.

    Returns:
        The same draws every time.
    """
    left, top, right, bottom = np.random.default_rng(0).normal(0, error, (4, DRAWS))
    width, height = 1 + right - left, 1 + bottom - top
    inner = np.clip(np.minimum(1 + right, 1) - np.maximum(left, 0), 0, None)
    inner = inner * np.clip(np.minimum(1 + bottom, 1) - np.maximum(top, 0), 0, None)
    ious: np.ndarray = inner / (np.clip(width, 0, None) * np.clip(height, 0, None) + 1 - inner)
    return ious
