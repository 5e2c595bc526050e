"""Detections in the files that each benchmark's evaluation reads.

| benchmark | files | boxes |
|---|---|---|
| KITTI object | STEM.txt per picture, 16 columns; empty where nothing was found | x1 y1 x2 y2 |
| CityPersons | one json, a list of image_id, category_id, bbox, score | x y w h |
| WiderFace | EVENT/PICTURE.txt: the name, the count, then a row per face | x y w h and score |
| PASCAL VOC | comp4_det_SPLIT_CLASS.txt per class: stem, score, box | x1 y1 x2 y2, from 1 |

Numbers are written with all their digits: rounded scores would tie, and ties change an AP.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from cascadekit.datasets.citypersons_files import LABELS
from cascadekit.errors import InputError, did_you_mean
from cascadekit.whole_file import write_json

NO_SPACE = "-1 -1 -1 -1000 -1000 -1000 -10"  # KITTI's words for a box that has no place in space


@dataclass(frozen=True)
class Found:
    """One detection.

    Attributes:
        name: of its class.
        box: x1, y1, x2, y2, pixels of the file.
        score: any finite number.
    """

    name: str
    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class FoundPicture:
    """One picture and what was found in it.

    Attributes:
        image_id: the data set's.
        name: path below the folder of pictures, without suffix.
        found: in the order of the results; may be empty.
    """

    image_id: int | str
    name: str
    found: tuple[Found, ...]


@dataclass(frozen=True)
class Names:
    """What else the names of files and classes are made of.

    Attributes:
        classes: all of the data set, found or not.
        split: of the pictures, for VOC's file names.
    """

    classes: tuple[str, ...]
    split: str


def read_results(file: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read detections in COCO's results format.

    Args:
        file: json, a list of dicts with `image_id` (or `file_name`), `category_id` (or
            `category`), `bbox` [x, y, w, h] and `score`; may be empty.

    Returns:
        The list, checked.

    Raises:
        InputError: the file is missing, or an entry is faulty; the message names it.
    """
    path = Path(file)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"file of detections not found: {path}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not json: {error}") from None
    if not isinstance(entries, list):
        raise InputError(
            f"{path} holds a {type(entries).__name__}, but COCO results are a list of detections. "
            "Is it a file of annotations?"
        )
    for k, entry in enumerate(entries):
        _check_entry(entry, f"{path}: entry {k}")
    return entries


def _check_entry(entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        raise InputError(f"{where} must be a dict, got {str(entry)[:80]}")
    for keys in (("image_id", "file_name"), ("category_id", "category"), ("bbox",), ("score",)):
        if not any(key in entry for key in keys):
            raise InputError(f"{where} has no {' or '.join(keys)}: {str(entry)[:80]}")
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise InputError(f"{where}: bbox must be 4 numbers [x, y, width, height], got {box!r}")
    if not _is_number(entry["score"]):
        raise InputError(f"{where}: score must be a finite number, got {entry['score']!r}")


def _is_number(value: Any) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value)


def collect(
    results: Sequence[Mapping[str, Any]], dataset: BaseDataset, image_root: str
) -> list[FoundPicture]:
    """Sort detections by picture; every picture of the data set gets an entry.

    An entry's `file_name` and `category` decide where it has them, else its `image_id` (the data
    set's) and `category_id` (of the data set's `metainfo["category_ids"]`, else the label).

    Args:
        results: of `read_results`; may be empty.
        dataset: what was looked at, in test mode.
        image_root: folder of its pictures.

    Returns:
        Pictures in the data set's order.

    Raises:
        InputError: a picture or a class that the data set does not have.
    """
    records = [dataset.get_data_info(i) for i in range(len(dataset))]
    names = [_name(record["img_path"], image_root) for record in records]
    by_id = {record["img_id"]: k for k, record in enumerate(records)}
    by_name = _positions(names)
    classes = dataset.metainfo["classes"]
    ids = dataset.metainfo.get("category_ids") or range(len(classes))
    by_category = dict(zip(ids, classes, strict=True))
    found: list[list[Found]] = [[] for _ in records]
    for k, entry in enumerate(results):
        if "file_name" in entry:
            key = Path(entry["file_name"]).with_suffix("").as_posix()
            where, known = by_name.get(key), names
        else:
            key, known = entry["image_id"], list(by_id)
            where = by_id.get(key)
        if where is None:
            raise InputError(
                f"detection {k} is of picture {key!r}, but the data set has {len(records)} others, "
                f"such as {known[0]!r}.{did_you_mean(str(key), map(str, known))}"
            )
        name = entry.get("category", by_category.get(entry.get("category_id")))
        if name not in classes:
            what = entry.get("category", entry.get("category_id"))
            raise InputError(
                f"detection {k} is of class {what!r}, but the data set has "
                f"{', '.join(f'{n} ({i})' for i, n in by_category.items())}."
                f"{did_you_mean(str(what), classes)}"
            )
        x, y, w, h = entry["bbox"]
        found[where].append(Found(name, (x, y, x + w, y + h), entry["score"]))
    return [
        FoundPicture(record["img_id"], name, tuple(part))
        for record, name, part in zip(records, names, found, strict=True)
    ]


def _name(path: str, root: str) -> str:
    return Path(os.path.relpath(path, root)).with_suffix("").as_posix()


def _positions(names: Sequence[str]) -> dict[str, int]:
    """Where each picture is, by its name, and by the last part of it where that is plain."""
    last = [name.rsplit("/", 1)[-1] for name in names]
    count = Counter(last)
    short = {name: k for k, name in enumerate(last) if count[name] == 1}
    return {**short, **{name: k for k, name in enumerate(names)}}


def _row(numbers: Iterable[float]) -> str:
    return " ".join(repr(float(v)) for v in numbers)


def _xywh(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def write_kitti(pictures: Sequence[FoundPicture], names: Names, out: str) -> int:
    """One STEM.txt per picture below the folder `out`; returns how many."""
    if any("/" in picture.name for picture in pictures):
        raise InputError(
            f"pictures such as {pictures[0].name!r} are of the tracking benchmark, whose "
            "submissions need tracks; detections alone are no submission"
        )
    for picture in pictures:
        lines = [
            f"{one.name} -1 -1 -10 {_row(one.box)} {NO_SPACE} {_row([one.score])}"
            for one in picture.found
        ]
        _write(Path(out) / f"{picture.name}.txt", lines)
    return len(pictures)


def write_citypersons(pictures: Sequence[FoundPicture], names: Names, out: str) -> int:
    """One json, the file `out`; returns 1."""
    odd = sorted(set(names.classes) - set(LABELS[1:]))
    if odd:
        raise InputError(f"CityPersons has no class {odd[0]!r}, it has: {', '.join(LABELS[1:])}")
    strange = [p.image_id for p in pictures if not isinstance(p.image_id, int)]
    if strange:
        raise InputError(f"CityPersons numbers its pictures 1, 2, ..., got the id {strange[0]!r}")
    entries = [
        {
            "image_id": picture.image_id,
            "category_id": LABELS.index(one.name),
            "bbox": _xywh(one.box),
            "score": one.score,
        }
        for picture in pictures
        for one in picture.found
    ]
    write_json(out, entries)
    return 1


def write_widerface(pictures: Sequence[FoundPicture], names: Names, out: str) -> int:
    """EVENT/PICTURE.txt per picture below `out`; returns how many."""
    for picture in pictures:
        faces = [_row([*_xywh(one.box), one.score]) for one in picture.found]
        lines = [Path(picture.name).name, str(len(faces)), *faces]
        _write(Path(out) / f"{picture.name}.txt", lines)
    return len(pictures)


def write_voc(pictures: Sequence[FoundPicture], names: Names, out: str) -> int:
    """One comp4_det_SPLIT_CLASS.txt per class, found or not; returns how many."""
    lines: dict[str, list[str]] = {name: [] for name in names.classes}
    for picture in pictures:
        for one in picture.found:
            x1, y1, x2, y2 = one.box
            # Pixels count from 1 and the last one is inside.
            row = f"{Path(picture.name).name} {_row([one.score, x1 + 1, y1 + 1, x2, y2])}"
            lines[one.name].append(row)
    for name, rows in lines.items():
        _write(Path(out) / f"comp4_det_{names.split}_{name}.txt", rows)
    return len(lines)


def _write(file: Path, lines: Sequence[str]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error}") from None


WRITERS: Mapping[str, Callable[[Sequence[FoundPicture], Names, str], int]] = {
    "kitti": write_kitti,
    "citypersons": write_citypersons,
    "widerface": write_widerface,
    "voc": write_voc,
}
