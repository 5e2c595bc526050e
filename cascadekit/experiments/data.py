"""`--data` of the experiments: data sets that a config is trained and tested on, by content.

A data set is known by its fingerprint: what its annotation files hold, and which pictures of which
size lie beside them. Where it lies does not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascadekit.data_choice import classes_of
from cascadekit.datasets.drawn_folders import VERSION as DRAWN_VERSION
from cascadekit.datasets.shapes import CLASSES, VERSION
from cascadekit.datasets.voc import SUFFIXES, read_voc_classes
from cascadekit.errors import InputError, did_you_mean
from cascadekit.experiments.arms import BENCHMARKS

TRAIN_NAMES = ("train",)
VAL_NAMES = ("val", "valid", "validation", "test")
ANNOTATIONS = (".xml", ".json")
DRAWN = ("DrawnKittiDataset", "DrawnCityPersonsDataset", "DrawnWiderFaceDataset")


@dataclass(frozen=True)
class DataSet:
    """What to train on and what to test on.

    Attributes:
        name: for tables: "shapes", "coco", one of `BENCHMARKS`, or the folder's name.
        kind: one of `arms.KINDS`.
        train: `type` and sources of the training set, in place of the config's own; empty: those.
        val: likewise, of the pictures that are tested on.
        train_content: what stands for the training set's content; None: the config's own says it.
        val_content: likewise.
        classes: K names; empty: the config's own.
    """

    name: str
    kind: str
    train: Mapping[str, Any]
    val: Mapping[str, Any]
    train_content: str | None
    val_content: str | None
    classes: tuple[str, ...] = ()


def data_set(word: str) -> DataSet:
    """Find a data set.

    Args:
        word: "shapes", "coco", one of `BENCHMARKS`, or a folder with the folders train and val (or
            valid, test) of VOC xml files beside their pictures or one COCO json each; or a VOC
            devkit.

    Returns:
        The data set.

    Raises:
        InputError: no such folder, one without train and val pictures, or a class that is only
            in the first.
    """
    if word == "shapes":
        return DataSet("shapes", "shapes", {}, {}, None, None, tuple(CLASSES))
    if word in ("coco", *BENCHMARKS):  # data and classes are the config's own
        return DataSet(word, word, {}, {}, None, None)
    folder = Path(word).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"--data {word}: expected shapes, coco, {', '.join(BENCHMARKS)} or a folder, and there "
            f"is no such folder.{did_you_mean(word, ('shapes', 'coco', *BENCHMARKS))}"
        )
    folder = folder.resolve()
    if (folder / "ImageSets" / "Main").is_dir():
        return _devkit(folder)
    train, val = (_split_folder(folder, names) for names in (TRAIN_NAMES, VAL_NAMES))
    chosen = _source(train)
    classes = _common_classes(chosen, _source(val), val)
    return DataSet(
        name=folder.name,
        kind="photos",
        train={**chosen, "classes": list(classes)},
        val={**_source(val), "classes": list(classes)},
        train_content=content_of(train, classes),
        val_content=content_of(val, classes),
        classes=classes,
    )


def _split_folder(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    raise InputError(
        f"--data {folder}: no folder {' or '.join(names)} in it; expected train/ and val/ (or "
        "valid/, test/) with VOC xml files or a COCO json beside the pictures"
    )


def _source(folder: Path) -> dict[str, Any]:
    """`type` and places of the annotations in one folder: a COCO json, else VOC xml files."""
    found = sorted(folder.glob("*.json"))
    if len(found) > 1:
        raise InputError(
            f"{folder} has {len(found)} json files ({', '.join(f.name for f in found[:3])}); leave "
            "the COCO annotations of the pictures beside them and no other"
        )
    if found:
        return {
            "type": "cascadekit.CocoDataset",
            "ann_file": str(found[0]),
            "image_dir": str(folder),
        }
    if not any(folder.glob("*.xml")):
        raise InputError(f"{folder} has neither VOC xml files nor a COCO json")
    return {"type": "cascadekit.VOCDataset", "image_dir": str(folder)}


def _common_classes(train: dict[str, Any], val: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """Classes of the training set; found out before hours of training that val lacks one."""
    classes, known = classes_of(train) or (), classes_of(val) or ()
    missing = [name for name in classes if name not in known]
    if missing:
        raise InputError(
            f"{folder} has no object of class {missing[0]!r}, which is trained on: add a picture "
            "with one, take the class out, or use COCO jsons, which list the classes themselves"
        )
    return classes


def _devkit(folder: Path) -> DataSet:
    """A VOC devkit: Annotations, JPEGImages and lists of pictures in ImageSets/Main."""
    lists = folder / "ImageSets" / "Main"
    train, val = (_split_list(lists, names) for names in (("trainval", "train"), VAL_NAMES))
    if train.stem == "trainval" and val.stem != "test":
        train = _split_list(lists, ("train",))
    pictures, annotations = folder / "JPEGImages", folder / "Annotations"
    classes = read_voc_classes(str(pictures), str(annotations))
    common = {
        "type": "cascadekit.VOCDataset",
        "image_dir": str(pictures),
        "ann_dir": str(annotations),
        "classes": list(classes),
    }
    parts = []
    for split in (train, val):
        stems = {line.split()[0] for line in split.read_text().splitlines() if line.strip()}
        parts.append(_content(folder, _named(folder, stems), classes))
    return DataSet(
        name=folder.name,
        kind="photos",
        train={**common, "split_file": str(train)},
        val={**common, "split_file": str(val)},
        train_content=parts[0],
        val_content=parts[1],
        classes=classes,
    )


def _split_list(lists: Path, names: Iterable[str]) -> Path:
    for name in names:
        if (lists / f"{name}.txt").is_file():
            return lists / f"{name}.txt"
    raise InputError(f"{lists}: no list {' or '.join(f'{name}.txt' for name in names)}")


def _named(folder: Path, stems: Iterable[str]) -> list[Path]:
    wanted = set(stems)
    places = (folder / "JPEGImages", folder / "Annotations")
    return [f for place in places for f in place.iterdir() if f.stem in wanted]


def content_of(folder: Path, classes: Iterable[str]) -> str:
    """What stands for the content of a folder of pictures and annotations.

    Args:
        folder: searched to the bottom.
        classes: that are read from it, in order.

    Returns:
        16 hexadecimal digits; the same for a copy of the folder anywhere.
    """
    return _content(folder, [f for f in folder.rglob("*") if f.is_file()], classes)


def _content(root: Path, files: Iterable[Path], classes: Iterable[str]) -> str:
    rows = []
    for file in sorted(files):
        kind = file.suffix.lower()
        name = file.relative_to(root).as_posix()
        if kind in ANNOTATIONS:
            rows.append([name, hashlib.sha256(file.read_bytes()).hexdigest()])
        elif kind in SUFFIXES:
            rows.append([name, file.stat().st_size])
    return digest({"classes": list(classes), "files": rows})


def digest(value: Any) -> str:
    """16 hexadecimal digits that stand for plain nested values; the order of keys is no matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def put_data(config: Any, data: DataSet) -> None:
    """Replace a config's data sets, in place; pipelines and filters stay.

    Args:
        config: of `load_config`.
        data: with sources, or without: then only the class count is set.
    """
    for loader, chosen in (
        ("train_dataloader", data.train),
        ("val_dataloader", data.val),
        ("test_dataloader", data.val),
    ):
        if chosen and config.get(loader) is not None:
            own = config[loader].dataset
            kept = {key: own[key] for key in ("pipeline", "test_mode", "min_size") if key in own}
            own.clear()
            own.update({**chosen, **kept})
    if data.classes:
        config.model.num_classes = len(data.classes)


def content_in(dataset: Mapping[str, Any], known: str | None) -> Any:
    """What a data set's part of a config says about its content, without paths and pipeline.

    Args:
        dataset: a `dataset` dict of a config.
        known: its content where it comes from files; None: the dict says all of it.

    Returns:
        Plain values.
    """
    settings = {k: v for k, v in dataset.items() if k not in ("pipeline", "test_mode", "root")}
    if known is not None:
        places = ("ann_file", "image_dir", "ann_dir", "split_file", "classes")
        settings = {k: v for k, v in settings.items() if k not in places}
        settings["content"] = known
    elif str(settings["type"]).endswith("ShapesDataset"):
        settings["version"] = VERSION
    elif str(settings["type"]).endswith(DRAWN):
        settings["version"] = DRAWN_VERSION
    return settings
