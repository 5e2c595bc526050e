"""Average precision from a precision-recall curve, the two ways of PASCAL VOC."""

from __future__ import annotations

import numpy as np


def area_under_envelope(recall: np.ndarray, precision: np.ndarray) -> float:
    """Area under the curve after precision is made to fall.

    Args:
        recall: (M,) rising, fractions; M may be 0.
        precision: (M,) fractions. Nan (0 / 0, nothing found yet) counts as 0: a maximum with nan
            is nan in NumPy, where MATLAB leaves it out.

    Returns:
        A fraction in [0, 1]; 0 for an empty curve, nan where recall is nan (nothing to find).

    Source: the VOC devkit since 2010 (also WiderFace's): precision at a recall is the greatest at
    that recall or a higher one, beyond the last it is 0, and every step of the curve counts.
    """
    steps = np.diff(np.concatenate([[0.0], recall]))
    falling = np.maximum.accumulate(np.nan_to_num(precision)[::-1])[::-1]
    return float((steps * falling).sum())


def eleven_points(recall: np.ndarray, precision: np.ndarray) -> float:
    """Mean precision at recalls 0, 0.1, ..., 1.

    Args:
        recall: (M,) rising, fractions; M may be 0.
        precision: (M,) fractions; nan counts as 0.

    Returns:
        A fraction in [0, 1]; 0 for an empty curve.

    Source: the VOC devkit of 2007: precision at a recall is the greatest at that recall or a higher
    one. The points are i x 0.1 in doubles, of which those for i = 3, 6 and 7 are a little above
    0.3, 0.6 and 0.7: a recall of exactly 3/5 does not reach the point 0.6.
    """
    rising = np.searchsorted(recall, np.arange(11) * 0.1, side="left")
    falling = np.maximum.accumulate(np.nan_to_num(precision)[::-1])[::-1]
    return float(np.append(falling, 0.0)[rising].mean())
