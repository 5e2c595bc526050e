"""CityPersons' annotations, in the three forms that they are handed round in.

- `anno_train.mat`, `anno_val.mat`: a cell per picture with its rows of ten numbers
- `val_gt.json`: what the benchmark's evaluation reads; everything but pedestrians is only "ignore"
- a folder such as `gtBboxCityPersons/val` with a json per picture, as Cityscapes distributes them
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascadekit.datasets.mat_files import cells, read_mat, table, variable, word
from cascadekit.errors import InputError, did_you_mean

# The k-th is class_label k of the .mat files.
LABELS = ("ignore", "pedestrian", "rider", "sitting person", "other person", "person group")
_WORDS = {**{name: k for k, name in enumerate(LABELS)}, "person (other)": 4}
SUFFIX = "_gtBboxCityPersons.json"
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PersonRow:
    """One annotated person or region.

    Attributes:
        label: index into `LABELS`.
        box_xywh: the full box, pixels of the file counted from 0.
        visible_xywh: its visible part; None where the file has only a ratio.
        ratio: visible area / full area; 1 for an empty box.
    """

    label: int
    box_xywh: Box
    visible_xywh: Box | None
    ratio: float


@dataclass(frozen=True)
class PersonPicture:
    """The rows of one picture.

    Attributes:
        number: the benchmark's image id: 1, 2, ... in the order of the .mat file; of a folder, in
            the order of names.
        name: file name of the picture, e.g. "ulm_000000_000019_leftImg8bit.png".
        rows: in the order of the file; may be empty.
    """

    number: int
    name: str
    rows: tuple[PersonRow, ...]


def read_citypersons(file: str | os.PathLike[str]) -> list[PersonPicture]:
    """Read annotations of any of the three forms.

    Args:
        file: a .mat, a .json, or a folder of `*_gtBboxCityPersons.json` files.

    Returns:
        One entry per picture, in the order of the file (of a folder: sorted by name).

    Raises:
        InputError: the file is missing or faulty; the message names the picture and the row.
    """
    path = Path(file)
    if path.is_dir():
        return _read_folder(path)
    if path.suffix == ".mat":
        return _read_mat(path)
    return _read_json(path)


def _read_mat(path: Path) -> list[PersonPicture]:
    variables = read_mat(path)
    names = [name for name in variables if name.startswith("anno")]
    name = names[0] if len(names) == 1 else f"{path.stem}_aligned"
    pictures = []
    for number, cell in enumerate(cells(variable(variables, name, path)), 1):
        where = f"{path}, picture {number}"
        try:
            entry = cell.reshape(-1)[0]
            file_name, bbs = word(entry["im_name"]), entry["bbs"]
        except (ValueError, IndexError, AttributeError, TypeError, KeyError):
            raise InputError(
                f"{where}: expected a struct with im_name and bbs, got {str(cell)[:60]!r}"
            ) from None
        where = f"{where} ({file_name})"
        rows = table(bbs, 10, f"{where}: bbs").tolist()
        pictures.append(
            PersonPicture(number, file_name, tuple(_mat_row(r, k, where) for k, r in _count(rows)))
        )
    return pictures


def _count(rows: Sequence[Any]) -> list[tuple[int, Any]]:
    return list(enumerate(rows, 1))


def _mat_row(row: list[float], k: int, where: str) -> PersonRow:
    label = row[0]
    if label not in range(len(LABELS)):
        raise InputError(
            f"{where}, row {k}: class_label must be 0..{len(LABELS) - 1}, got {label:g}"
        )
    box, visible = _box(row[1:5]), _box(row[6:10])
    return PersonRow(int(label), box, visible, _ratio(visible, box))


def _box(numbers: Sequence[float]) -> Box:
    x, y, w, h = map(float, numbers)
    return x, y, w, h


def _ratio(visible: Box, box: Box) -> float:
    area = box[2] * box[3]
    return visible[2] * visible[3] / area if area > 0 else 1.0


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        folder = path.parent
        near = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        raise InputError(
            f"annotation file not found: {str(path)!r} (looked for {path.absolute()}). Set "
            "ann_file to anno_train.mat, val_gt.json or the folder gtBboxCityPersons/train."
            f"{did_you_mean(path.name, near)}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not json: {error}. Is the download complete?") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} holds a {type(data).__name__}, expected a dict of annotations")
    return data


def _numbers(entry: Mapping[str, Any], key: str, where: str) -> Box:
    value = entry.get(key)
    numbers = (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(v, int | float) and math.isfinite(v) for v in value)
    )
    if not numbers:
        raise InputError(f"{where}: {key} must be 4 numbers [x, y, width, height], got {value!r}")
    return _box(value)  # type: ignore[arg-type]


def _read_json(path: Path) -> list[PersonPicture]:
    data = _load(path)
    for key in ("images", "annotations"):
        if not isinstance(data.get(key), list):
            raise InputError(
                f"{path} has no list {key!r}, it has: {', '.join(data) or 'nothing'}."
                f"{did_you_mean(key, data)}"
            )
    rows: dict[Any, list[PersonRow]] = {}
    names: dict[Any, str] = {}
    for k, image in enumerate(data["images"]):
        name = image.get("im_name", image.get("file_name")) if isinstance(image, dict) else None
        if name is None or "id" not in image:
            raise InputError(f"{path}: images[{k}] needs id and im_name, got {str(image)[:80]}")
        if image["id"] in rows:
            raise InputError(f"{path}: image id {image['id']} is given twice")
        names[image["id"]], rows[image["id"]] = str(name), []
    for k, entry in enumerate(data["annotations"]):
        where = f"{path}: annotations[{k}]"
        if not isinstance(entry, dict) or entry.get("image_id") not in rows:
            raise InputError(f"{where} needs the image_id of a listed image: {str(entry)[:80]}")
        rows[entry["image_id"]].append(_json_row(entry, where))
    return [PersonPicture(i, names[i], tuple(part)) for i, part in rows.items()]


def _json_row(entry: Mapping[str, Any], where: str) -> PersonRow:
    box = _numbers(entry, "bbox", where)
    label = entry.get("category_id", 1)
    if label not in range(len(LABELS)):
        raise InputError(f"{where}: category_id must be 0..{len(LABELS) - 1}, got {label!r}")
    # Such a file does not say what else than a pedestrian it is.
    if label == 1 and (entry.get("ignore") or entry.get("iscrowd")):
        label = 0
    visible = _numbers(entry, "vis_bbox", where) if "vis_bbox" in entry else None
    ratio = entry.get("vis_ratio", 1.0 if visible is None else _ratio(visible, box))
    if not isinstance(ratio, int | float) or not math.isfinite(ratio):
        raise InputError(f"{where}: vis_ratio must be a finite number, got {ratio!r}")
    return PersonRow(label, box, visible, float(ratio))


def _read_folder(folder: Path) -> list[PersonPicture]:
    files = sorted(folder.rglob(f"*{SUFFIX}"))
    if not files:
        raise InputError(f"{folder} has no files *{SUFFIX}, also not in folders of cities")
    pictures = []
    for number, file in enumerate(files, 1):
        objects = _load(file).get("objects")
        if not isinstance(objects, list):
            raise InputError(f"{file} has no list 'objects'")
        rows = []
        for k, entry in enumerate(objects):
            where = f"{file}: objects[{k}]"
            label = _WORDS.get(entry.get("label", "")) if isinstance(entry, dict) else None
            if label is None:
                raise InputError(
                    f"{where}: label must be one of {', '.join(_WORDS)}, got {str(entry)[:80]}"
                )
            box = _numbers(entry, "bbox", where)
            visible = _numbers(entry, "bboxVis", where) if "bboxVis" in entry else box
            rows.append(PersonRow(label, box, visible, _ratio(visible, box)))
        name = file.name.removesuffix(SUFFIX) + "_leftImg8bit.png"
        pictures.append(PersonPicture(number, name, tuple(rows)))
    return pictures
