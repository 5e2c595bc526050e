"""Detections of anybody, in the files that each benchmark's own evaluation reads.

The other direction of `submissions`. Numbers are taken as they are written, rows keep their order.
What a protocol would silently misread is refused, with the file and line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cascadekit.datasets.folders import text_lines
from cascadekit.datasets.kitti_files import read_kitti_labels
from cascadekit.datasets.submissions import read_results
from cascadekit.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Rows:
    """Detections of one picture.

    Attributes:
        names: D class names.
        boxes: (D, 4) float64 as the file has them; D may be 0.
        scores: (D,) float64, any finite numbers.
        lines: (D,) int64, place of each in its file.
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    scores: np.ndarray
    lines: np.ndarray


NO_ROWS = Rows((), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))


@dataclass(frozen=True)
class FoundFiles:
    """Detections of the pictures that were asked for.

    Attributes:
        rows: one entry per picture, in the order asked.
        missing: pictures without a file, taken as without detections.
        extra: files of other pictures, which are left out.
    """

    rows: list[Rows]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def read_kitti_found(folder: str | os.PathLike[str], stems: Sequence[str]) -> FoundFiles:
    """Read KITTI's STEM.txt files, 16 columns, boxes x1 y1 x2 y2.

    Args:
        folder: of the files, or the one above their folder `data`.
        stems: of the pictures.

    Returns:
        Rows of each picture.

    Raises:
        InputError: no folder, none of the files, or a faulty row.
    """
    place = _folder(folder, "KITTI's STEM.txt files")
    # The devkit writes stats_*.txt beside its folder data.
    if (place / "data").is_dir() and not any((place / f"{stem}.txt").is_file() for stem in stems):
        place = place / "data"
    files = {file.stem: file for file in sorted(place.glob("*.txt"))}
    return _by_picture(files, stems, place, "STEM.txt", _kitti_rows)


def _kitti_rows(file: Path) -> Rows:
    rows = read_kitti_labels(file, tracking=False)
    for number, row in enumerate(rows, 1):
        if row.score is None:
            raise InputError(
                f"{file}, row {number}: no score; detections have 16 columns, labels have 15. Is "
                "it a folder of labels?"
            )
    return Rows(
        tuple(row.name for row in rows),
        np.array([row.box for row in rows], np.float64).reshape(-1, 4),
        np.array([row.score for row in rows], np.float64),
        np.arange(len(rows)),
    )


def read_face_found(folder: str | os.PathLike[str], names: Sequence[str]) -> FoundFiles:
    """Read WiderFace's EVENT/PICTURE.txt files: name, count, then a row per face.

    Args:
        folder: of the events' folders.
        names: of the pictures, EVENT/PICTURE.

    Returns:
        Rows of each picture, class "face"; which boxes they are is not known here
        (`face_boxes`).

    Raises:
        InputError: no folder, none of the files, or a faulty one; the message has the line.
    """
    place = _folder(folder, "WiderFace's EVENT/PICTURE.txt files")
    files = {
        file.relative_to(place).with_suffix("").as_posix(): file
        for file in sorted(place.glob("*/*.txt"))
    }
    return _by_picture(files, names, place, "EVENT/PICTURE.txt", _face_rows)


def _face_rows(file: Path) -> Rows:
    lines = text_lines(file, "WiderFace file of detections", "")
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2 or not lines[1].strip().isdecimal():
        raise InputError(
            f"{file}: expected the picture's name, the number of faces, then a row per face, got "
            f"{' / '.join(lines[:2])[:80]!r}"
        )
    count = int(lines[1])
    if count != len(lines) - 2:
        raise InputError(f"{file}, line 2 says {count} faces, but {len(lines) - 2} rows follow")
    numbers = [_numbers(line, 5, f"{file}, line {k}") for k, line in enumerate(lines[2:], 3)]
    table = np.array(numbers, np.float64).reshape(-1, 5)
    return Rows(("face",) * count, table[:, :4], table[:, 4], np.arange(count))


def read_voc_found(
    folder: str | os.PathLike[str], stems: Sequence[str], classes: Sequence[str]
) -> list[Rows]:
    """Read VOC's files of a class each: stem, score, xmin ymin xmax ymax, pixels from 1.

    Args:
        folder: of files such as comp4_det_test_cat.txt.
        stems: of the pictures.
        classes: whose files are looked for; one may lack its file if others have theirs.

    Returns:
        Rows of each picture, class after class.

    Raises:
        InputError: no folder, no such file, two of one class, or a faulty row.
    """
    place = _folder(folder, "VOC's files comp4_det_SPLIT_CLASS.txt")
    files = _class_files(place, classes)
    numbers = {stem: k for k, stem in enumerate(stems)}
    found: list[list[tuple[str, int, list[float]]]] = [[] for _ in stems]
    for name, file in files.items():
        for line, text in enumerate(text_lines(file, "VOC file of detections", ""), 1):
            if not text.strip():
                continue
            stem, *words = text.split()
            if stem not in numbers:
                raise InputError(
                    f"{file}, line {line}: picture {stem!r} is not among the {len(stems)} of the "
                    f"ground truth: are both of the same split?{did_you_mean(stem, stems)}"
                )
            row = _numbers(" ".join(words), 5, f"{file}, line {line}")
            found[numbers[stem]].append((name, line, row))
    return [_voc_rows(part) for part in found]


def _voc_rows(found: Sequence[tuple[str, int, list[float]]]) -> Rows:
    table = np.array([row for _, _, row in found], np.float64).reshape(-1, 5)
    lines = np.array([line for _, line, _ in found], np.int64)
    return Rows(tuple(name for name, _, _ in found), table[:, 1:], table[:, 0], lines)


def _class_files(place: Path, classes: Sequence[str]) -> dict[str, Path]:
    """Class -> its file, whose name ends in _CLASS.txt."""
    files: dict[str, Path] = {}
    every = sorted(place.glob("*.txt"))
    for file in every:
        own = [name for name in classes if f"_{file.stem}".endswith(f"_{name}")]
        if not own:
            continue
        name = max(own, key=len)  # "..._big_cat" is of big_cat, not of cat
        if name in files:
            raise InputError(f"{place} has two files of {name!r}: {files[name].name}, {file.name}")
        files[name] = file
    if not files:
        known = ", ".join([*classes[:5], *(["..."] if len(classes) > 5 else [])])
        raise InputError(
            f"{place} has no file of any class ({known}): expected names such as "
            f"comp4_det_test_{classes[0] if classes else 'cat'}.txt, it has: "
            f"{', '.join(file.name for file in every[:5]) or 'no .txt files'}"
        )
    return {name: files[name] for name in classes if name in files}


def read_person_found(file: str | os.PathLike[str], numbers: Sequence[int | str]) -> list[Rows]:
    """Read CityPersons' json: a list of image_id, category_id, bbox x y w h, score.

    Args:
        file: the json. Only entries of category 1, the pedestrians, are taken.
        numbers: ids of the pictures.

    Returns:
        Rows of each picture.

    Raises:
        InputError: the file is missing or faulty, or has a picture that is not listed.
    """
    place = {number: k for k, number in enumerate(numbers)}
    found: list[list[tuple[int, list[float]]]] = [[] for _ in numbers]
    for k, entry in enumerate(read_results(file)):
        number = entry.get("image_id")
        if number not in place:
            raise InputError(
                f"{os.fspath(file)}: entry {k} is of image_id {number!r}, but the ground truth has "
                f"{len(place)} others, such as {next(iter(place), None)!r}: the benchmark numbers "
                "its pictures 1, 2, ... in the order of its annotations"
            )
        if entry.get("category_id") == 1 or entry.get("category") == "pedestrian":
            found[place[number]].append((k, [*entry["bbox"], entry["score"]]))
    rows = []
    for part in found:
        table = np.array([row for _, row in part], np.float64).reshape(-1, 5)
        lines = np.array([k for k, _ in part], np.int64)
        rows.append(Rows(("pedestrian",) * len(part), table[:, :4], table[:, 4], lines))
    return rows


def _folder(folder: str | os.PathLike[str], what: str) -> Path:
    place = Path(folder)
    if not place.is_dir():
        state = "is a file" if place.exists() else f"not found (looked for {place.absolute()})"
        raise InputError(f"{os.fspath(folder)!r} {state}: expected a folder of {what}")
    return place


def _by_picture(
    files: Mapping[str, Path],
    wanted: Sequence[str],
    place: Path,
    pattern: str,
    read: Callable[[Path], Rows],
) -> FoundFiles:
    """Rows of each wanted picture; a picture without a file has none."""
    missing = tuple(name for name in wanted if name not in files)
    if len(missing) == len(wanted):
        has = ", ".join(list(files)[:3]) or "no such files"
        raise InputError(
            f"{place} has no file {pattern} of any of the {len(wanted)} pictures of the ground "
            f"truth, such as {wanted[0] if wanted else '(none)'}; it has: {has}"
        )
    extra = tuple(sorted(set(files) - set(wanted)))
    rows = [read(files[name]) if name in files else NO_ROWS for name in wanted]
    return FoundFiles(rows, missing, extra)


def _numbers(text: str, count: int, where: str) -> list[float]:
    """Finite numbers of one row."""
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"{where}: expected {count} finite numbers, got {text.strip()[:80]!r}")
    return values
