"""KITTI's label files: one text row per object, of the object and of the tracking benchmark."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cascadekit.datasets.folders import text_lines
from cascadekit.errors import InputError

# Columns after the name, with their places in an object row.
NUMBERS = ("truncated", "occluded", "alpha", "x1", "y1", "x2", "y2")
REST = ("height", "width", "length", "x", "y", "z", "rotation_y")  # of the box in space
OBJECT_COLUMNS = 1 + len(NUMBERS) + len(REST)  # 15; 16 with a score
TRACKING_COLUMNS = OBJECT_COLUMNS + 2  # frame and track come first


@dataclass(frozen=True)
class KittiRow:
    """One row of a label file; numbers as they are written.

    Attributes:
        name: Car, Van, Truck, Pedestrian, Person_sitting, Cyclist, Tram, Misc, DontCare; `Person`
            in tracking labels.
        truncated: share outside the picture, 0..1; in tracking labels a level 0, 1 or 2; -1 for
            DontCare.
        occluded: 0 visible, 1 partly, 2 largely occluded, 3 unknown; -1 for DontCare.
        box: x1, y1, x2, y2, pixels of the file counted from 0.
        score: of a detection, any number; None where the file has no such column.
        frame: number of the picture, tracking only.
        track: of the object through its sequence, tracking only; -1 for DontCare.
    """

    name: str
    truncated: float
    occluded: float
    box: tuple[float, float, float, float]
    score: float | None = None
    frame: int | None = None
    track: int | None = None


def read_kitti_labels(file: str | os.PathLike[str], tracking: bool | None = None) -> list[KittiRow]:
    """Read one label file (or detections in the same format).

    Args:
        file: text, one row per object; may be empty.
        tracking: which benchmark's rows are expected; None takes either.

    Returns:
        Rows in the order of the file, which KITTI's evaluation depends on.

    Raises:
        InputError: the file is missing, or a row is faulty; the message names line and column.
    """
    lines = text_lines(file, "KITTI label file", "Every picture needs one, an empty one if need be")
    rows = [
        _read_row(line.split(), f"{os.fspath(file)}, line {number}", tracking)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    return rows


def _read_row(words: Sequence[str], where: str, tracking: bool | None) -> KittiRow:
    expected = {
        False: (OBJECT_COLUMNS, OBJECT_COLUMNS + 1),
        True: (TRACKING_COLUMNS, TRACKING_COLUMNS + 1),
    }
    wanted = expected[False] + expected[True] if tracking is None else expected[tracking]
    if len(words) not in wanted:
        other = {False: "tracking", True: "object"}.get(tracking)  # type: ignore[arg-type]
        swapped = tracking is not None and len(words) in expected[not tracking]
        raise InputError(
            f"{where}: expected {' or '.join(map(str, wanted))} columns (the greater number has "
            f"the score of a detection), got {len(words)}: {' '.join(words)[:80]!r}."
            + (f" It is a row of the {other} benchmark" if swapped else "")
        )
    frame = track = None
    if len(words) in expected[True]:
        frame, track = (
            _whole(w, k, where) for w, k in zip(words, ("frame", "track"), strict=False)
        )
        if frame < 0:
            raise InputError(f"{where}: frame must be 0 or more, got {frame}")
        words = words[2:]
    columns = dict(zip((*NUMBERS, *REST, "score"), words[1:], strict=False))
    numbers = {key: _finite(word, key, where) for key, word in columns.items()}
    return KittiRow(
        name=words[0],
        truncated=numbers["truncated"],
        occluded=numbers["occluded"],
        box=(numbers["x1"], numbers["y1"], numbers["x2"], numbers["y2"]),
        score=numbers.get("score"),
        frame=frame,
        track=track,
    )


def _finite(word: str, key: str, where: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: {key} must be a finite number, got {word!r}")
    return number


def _whole(word: str, key: str, where: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise InputError(f"{where}: {key} must be a whole number, got {word!r}") from None
