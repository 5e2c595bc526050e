"""WiderFace's annotations as text and as .mat, and its lists of easy, medium and hard faces."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascadekit.datasets.folders import text_lines
from cascadekit.datasets.mat_files import cells, read_mat, table, unwrap, variable, word
from cascadekit.errors import InputError

FLAGS = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
SUBSETS = ("easy", "medium", "hard")
Members = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class FacePicture:
    """The rows of one picture.

    Attributes:
        name: path below the folder of pictures without suffix, "0--Parade/0_Parade_marching_1_849".
        boxes_xywh: (F, 4) float64, pixels of the file counted from 0, with the row 0 0 0 0 that
            a picture without faces has.
        flags: (F, 6) int64 in the order of `FLAGS`; -1 where the file has only boxes.
    """

    name: str
    boxes_xywh: np.ndarray
    flags: np.ndarray

    @property
    def is_dummy(self) -> np.ndarray:
        """(F,) bool: the rows 0 0 0 0, which are no faces."""
        return ~self.boxes_xywh.any(1)


def read_widerface(file: str | os.PathLike[str]) -> list[FacePicture]:
    """Read wider_face_*_bbx_gt.txt or wider_face_*.mat.

    Args:
        file: its path.

    Returns:
        One entry per picture, in the order of the file.

    Raises:
        InputError: the file is missing or faulty; the message names the line or the picture.
    """
    path = Path(file)
    return _read_mat(path) if path.suffix == ".mat" else _read_text(path)


def _read_text(path: Path) -> list[FacePicture]:
    lines = text_lines(path, "WiderFace annotation file", "Set ann_file to wider_face_*_bbx_gt.txt")
    while lines and not lines[-1].strip():
        lines.pop()
    pictures, at = [], 0
    while at < len(lines):
        name = lines[at].strip()
        if not Path(name).suffix or "/" not in name:
            raise InputError(
                f"{path}, line {at + 1}: expected EVENT/PICTURE.jpg, got {name[:60]!r}; does the "
                "picture before it have as many rows as it says?"
            )
        count = _count(lines, at + 1, path)
        rows = [_row(lines, at + 2 + k, path) for k in range(max(count, 1))]
        if count == 0 and rows[0] is None:  # the dummy row is left out by some tools
            rows, used = [[0] * (4 + len(FLAGS))], 0
        else:
            used = len(rows)
        missing = [k for k, row in enumerate(rows) if row is None]
        if missing:
            raise InputError(
                f"{path}, line {at + 3 + missing[0]}: {name} says {count} faces, but row "
                f"{missing[0] + 1} is not one (x y w h and {len(FLAGS)} flags)"
            )
        numbers = np.array(rows)
        pictures.append(
            FacePicture(
                str(Path(name).with_suffix("").as_posix()),
                numbers[:, :4].astype(np.float64),
                numbers[:, 4:].astype(np.int64),
            )
        )
        at += 2 + used
    if not pictures:
        raise InputError(f"{path} is empty; expected a picture's path, a count and its faces")
    return pictures


def _count(lines: list[str], at: int, path: Path) -> int:
    text = lines[at].strip() if at < len(lines) else ""
    if not text.isdecimal():
        raise InputError(f"{path}, line {at + 1}: expected the number of faces, got {text[:60]!r}")
    return int(text)


def _row(lines: list[str], at: int, path: Path) -> list[float] | None:
    """Ten numbers; None where the line is no row of a face, such as the next picture's name."""
    words = lines[at].split() if at < len(lines) else []
    if not words or "/" in lines[at] or len(words) == 1:
        return None
    try:
        numbers = [float(text) for text in words]
    except ValueError:
        numbers = []
    if len(numbers) == 4:
        numbers += [-1] * len(FLAGS)
    if len(numbers) != 4 + len(FLAGS) or not np.isfinite(numbers).all():
        raise InputError(
            f"{path}, line {at + 1}: expected 10 numbers (x y w h {' '.join(FLAGS)}), got "
            f"{lines[at].strip()[:80]!r}"
        )
    return numbers


def _read_mat(path: Path) -> list[FacePicture]:
    variables = read_mat(path)
    boxes = variable(variables, "face_bbx_list", path)
    flags = [variable(variables, f"{flag}_label_list", path) for flag in FLAGS]
    pictures = []
    for name, place, (rows, *columns) in _walk(variables, [boxes, *flags], path):
        table_ = table(rows, 4, f"{path}, {name}: face_bbx_list")
        values = [table(c, 1, f"{path}, {name}: {f}") for f, c in zip(FLAGS, columns, strict=True)]
        for flag, column in zip(FLAGS, values, strict=True):
            if len(column) != len(table_):
                raise InputError(
                    f"{path}, {name}: {len(table_)} boxes, but {flag}_label_list has {len(column)} "
                    f"rows ({place})"
                )
        if not len(table_):  # the text form has a dummy row here
            table_, values = np.zeros((1, 4)), [np.zeros((1, 1))] * len(FLAGS)
        pictures.append(FacePicture(name, table_, np.hstack(values).astype(np.int64)))
    return pictures


def _walk(
    variables: dict[str, Any], lists: list[Any], path: Path
) -> Iterable[tuple[str, str, list[Any]]]:
    """For each picture of a .mat: its name, its place in words, its entry of each list."""
    events = [word(event) for event in cells(variable(variables, "event_list", path))]
    files = cells(variable(variables, "file_list", path))
    nested = [cells(part) for part in lists]
    for part in (files, *nested):
        if len(part) != len(events):
            raise InputError(
                f"{path}: event_list has {len(events)} events, another list {len(part)}"
            )
    for e, event in enumerate(events):
        names = [word(name) for name in cells(files[e])]
        columns = [cells(part[e]) for part in nested]
        for column in columns:
            if len(column) != len(names):
                raise InputError(
                    f"{path}, event {event}: {len(names)} pictures, but a list has {len(column)}"
                )
        for i, name in enumerate(names):
            yield f"{event}/{name}", f"event {e + 1}, picture {i + 1}", [c[i] for c in columns]


def read_subsets(folder: str | os.PathLike[str], split: str = "val") -> Members:
    """The faces of WiderFace's easy, medium and hard subsets.

    Args:
        folder: with wider_easy_val.mat, wider_medium_val.mat and wider_hard_val.mat.
        split: "val"; the lists of the test set are not published.

    Returns:
        Subset -> picture name as in `FacePicture` -> (k,) int64, rows counted from 0.

    Raises:
        InputError: a file is missing or faulty.
    """
    found = {}
    for subset in SUBSETS:
        path = Path(folder) / f"wider_{subset}_{split}.mat"
        variables = read_mat(path)
        lists = [variable(variables, "gt_list", path)]
        members = {}
        for name, _, (rows,) in _walk(variables, lists, path):
            indices = unwrap(rows)
            members[name] = np.asarray(indices, np.int64).ravel() - 1 if indices.size else _NONE
        found[subset] = members
    return found


def members_of(picture: FacePicture, subsets: Members, where: str) -> dict[str, np.ndarray]:
    """Which rows of a picture are faces of each subset.

    Args:
        picture: its rows.
        subsets: of `read_subsets`.
        where: what to call lists and annotations in a message.

    Returns:
        Subset -> (F,) bool.

    Raises:
        InputError: the lists are of other pictures or rows.
    """
    members = {}
    for subset in SUBSETS:
        chosen = np.zeros(len(picture.boxes_xywh), bool)
        rows = subsets[subset].get(picture.name)
        if rows is None or (len(rows) and not 0 <= rows.min() <= rows.max() < len(chosen)):
            state = "not there" if rows is None else f"row {int(rows.max()) + 1} is listed"
            raise InputError(
                f"the {subset} list {where}: picture "
                f"{picture.name} has {len(chosen)} rows, {state}. The lists are of the val set"
            )
        chosen[rows] = True
        members[subset] = chosen & ~picture.is_dummy
    return members


_NONE = np.zeros(0, np.int64)
