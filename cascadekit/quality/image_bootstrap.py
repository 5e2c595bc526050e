"""Confidence bands of means over rois or objects: images are drawn again, with replacement.

Rois of one image share its objects, its light and each other's pixels: they are no independent
draws, and a normal band over rois would be far too narrow. Images are independent, so images are
what is resampled. Percentiles need no symmetry and stay inside the range of what is averaged (IoUs
near 1 are skewed). The band speaks of other images, not of another training of the detector, and
with fewer than about 20 images it is itself rough, and rather too narrow; with fewer than
`FEW_IMAGES` there is none.
"""

from __future__ import annotations

import numpy as np

LEVEL = 0.95
FEW_IMAGES = 5  # draws from fewer are too much alike: no band
RESAMPLES = 1000
CHUNK = 100  # draws at a time, so that memory stays small with many images


def resampled_means(
    sums: np.ndarray, counts: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> np.ndarray:
    """Means over everything in images drawn with replacement, as many as there are.

    Args:
        sums: (I, B) float64, what is averaged, summed within each image; B means at once, all from
            the same draws, so that differences of their columns are paired.
        counts: (I, B) how many rois or objects each sum is of; may be 0. I may be 0.
        seed: of the draws.
        resamples: number of draws, D.

    Returns:
        (D, B) float64, nan where a draw has nothing to average.
    """
    images, bins = sums.shape
    if images == 0:
        return np.full((resamples, bins), np.nan)
    generator = np.random.default_rng(seed)
    parts = []
    for start in range(0, resamples, CHUNK):
        draws = min(CHUNK, resamples - start)
        # How often each image was drawn is all that counts: (draws, I).
        times = generator.multinomial(images, np.full(images, 1 / images), size=draws)
        with np.errstate(invalid="ignore"):
            parts.append((times @ sums) / (times @ counts))
    return np.concatenate(parts)


def band(draws: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The middle of the draws.

    Args:
        draws: (D, B) float64, of `resampled_means`; nan is left out.
        level: share of the draws that is inside.

    Returns:
        Lower and upper ends, (B,) each; nan where there are no draws.
    """
    low, high = np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    known = ~np.isnan(draws).all(0)
    if known.any():
        ends = ((1 - level) / 2, (1 + level) / 2)
        low[known], high[known] = np.nanquantile(draws[:, known], ends, axis=0)
    return low, high
