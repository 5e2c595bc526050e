"""Arrays of one image, from anybody's reader: checked once, in double precision.

Every devkit counts in doubles. A limit such as "truncation > 0.3" or an IoU of exactly one half
comes out another way in float32, so nothing here is ever float32.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadekit.errors import InputError


@dataclass(frozen=True)
class ScoredBoxes:
    """Detections of one class in one image, as the files of CityPersons and WiderFace have them.

    Attributes:
        boxes_xywh: (D, 4) x, y, width, height in pixels of the file; D may be 0.
        scores: (D,) any finite numbers, higher is surer.
    """

    boxes_xywh: Any
    scores: Any


def box_rows(value: Any, where: str) -> np.ndarray:
    """Boxes as doubles.

    Args:
        value: (N, 4) numbers, an array or nested lists; N may be 0 ([] will do).
        where: name of the value, for the message.

    Returns:
        (N, 4) float64, a copy only where needed.

    Raises:
        InputError: another shape, or a number that is not finite.
    """
    boxes = _doubles(value, where)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"{where} must be (N, 4), one row per box, got {boxes.shape}")
    return boxes


def row_numbers(value: Any, count: int, where: str) -> np.ndarray:
    """One number per box.

    Args:
        value: (N,) numbers.
        count: N.
        where: name of the value, for the message.

    Returns:
        (N,) float64.

    Raises:
        InputError: another length, or a number that is not finite.
    """
    return _fitting(_doubles(value, where), count, where)


def row_doubles(value: Any, count: int, where: str) -> np.ndarray:
    """One number per box that is compared with a protocol's limit, so it must be as the file says.

    Args:
        value: (N,) numbers, not in single or half precision.
        count: N.
        where: name of the value, for the message.

    Returns:
        (N,) float64.

    Raises:
        InputError: as `row_numbers`, or an array or tensor of float32 or float16.
    """
    kind = str(getattr(value, "dtype", ""))
    if kind.endswith(("float32", "float16")):
        raise InputError(
            f"{where} must be in double precision, got {kind}, in which 0.3 is more than 0.3 and "
            "0.65 less than 0.65: convert the file's numbers to float64, not to float32 first"
        )
    return row_numbers(value, count, where)


def row_flags(value: Any, count: int, where: str) -> np.ndarray:
    """One yes or no per box.

    Args:
        value: (N,) bool, or 0 and 1.
        count: N.
        where: name of the value, for the message.

    Returns:
        (N,) bool.

    Raises:
        InputError: another length, or a number other than 0 and 1 (a list of indices, say).
    """
    numbers = _fitting(_doubles(value, where), count, where)
    if not np.isin(numbers, (0, 1)).all():
        raise InputError(f"{where} must be True or False for each box, got {numbers.tolist()}")
    return numbers.astype(bool)


def row_names(value: Sequence[str], count: int, where: str) -> list[str]:
    """One class name per box.

    Args:
        value: N names.
        count: N.
        where: name of the value, for the message.

    Returns:
        The N names.

    Raises:
        InputError: another length, or a single text.
    """
    if isinstance(value, str) or len(value) != count:
        raise InputError(f"{where} must be {count} class names, one per box, got {value!r:.80}")
    return [str(name) for name in value]


def check_pairs(truths: Sized, detections: Sized) -> None:
    """Check that ground truth and detections are of the same images.

    Args:
        truths: one entry per image.
        detections: one entry per image, in the same order; an entry may hold no boxes.

    Raises:
        InputError: different numbers of images.
    """
    if len(truths) != len(detections):
        raise InputError(
            f"truths and detections must have one entry per image, in the same order, got "
            f"{len(truths)} and {len(detections)}: give an image without detections empty arrays"
        )


def check_ious(ious: Sequence[float]) -> None:
    """Check the overlaps that count as found.

    Args:
        ious: IoU thresholds, at least one.

    Raises:
        InputError: none, two alike, or one outside (0, 1].
    """
    if not ious or len(set(ious)) < len(ious) or not all(0 < iou <= 1 for iou in ious):
        raise InputError(f"ious must be different numbers in (0, 1], got {tuple(ious)}")


def _doubles(value: Any, where: str) -> np.ndarray:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as fault:
        raise InputError(f"{where} must be numbers, got {value!r:.80}: {fault}") from fault
    if not np.isfinite(numbers).all():
        raise InputError(f"{where} must be finite, row {_first_bad(numbers)} is not")
    return numbers


def _first_bad(numbers: np.ndarray) -> int:
    bad = np.argwhere(~np.isfinite(np.atleast_1d(numbers)))
    return int(bad[0, 0])


def _fitting(numbers: np.ndarray, count: int, where: str) -> np.ndarray:
    if numbers.shape != (count,):
        raise InputError(f"{where} must be ({count},), one per box, got {numbers.shape}")
    return numbers
