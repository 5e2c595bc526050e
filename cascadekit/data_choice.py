"""`--data`: put another data set into any config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine import Config
from mmengine.logging import print_log

from cascadekit.datasets import citypersons, label_png, widerface
from cascadekit.datasets.coco import read_classes
from cascadekit.datasets.kitti import read_kitti_classes
from cascadekit.datasets.layouts import ALL, FORMATS, Layout, find_layout
from cascadekit.datasets.voc import read_voc_classes
from cascadekit.errors import InputError, did_you_mean

NAMES = ("shapes", "coco")
ONE_CLASS = {
    "CityPersonsDataset": citypersons.CLASSES,
    "WiderFaceDataset": widerface.CLASSES,
    "LabelPNGDataset": label_png.CLASSES,
}


@dataclass(frozen=True)
class NamedData:
    """What `--data` says: [FORMAT:]PATH[:SPLIT].

    Attributes:
        kind: key of `layouts.FORMATS`, or None to recognise it.
        path: of an annotation file or folder.
        split: or None to choose it by what it is for.
    """

    kind: str | None
    path: str
    split: str | None


def parse_data(name: str) -> NamedData:
    """Take [FORMAT:]PATH[:SPLIT] apart; a path that exists as it stands is a path.

    Args:
        name: what the user gave, e.g. "my/voc", "my/voc:trainval" or "kitti:data:train".

    Returns:
        The parts; whether the path exists is not checked.
    """
    head, colon, rest = name.partition(":")
    whole = _path_and_split(name)
    # A folder may be called "kitti": then "kitti:val" is its split, if there is no folder "val".
    if colon and head in FORMATS:
        inner = _path_and_split(rest)
        if Path(inner[0]).exists() or not Path(whole[0]).exists():
            return NamedData(head, *inner)
    return NamedData(None, *whole)


def _path_and_split(name: str) -> tuple[str, str | None]:
    before, colon, after = name.rpartition(":")
    if colon and not Path(name).exists() and Path(before).exists():
        return before, after
    return name, None


def dataset_config(
    name: str, images: str | None, split: str, classes: Sequence[str] | None
) -> dict[str, Any]:
    """Data set part of a config for what the user named.

    Args:
        name: "shapes", "coco", or [FORMAT:]PATH[:SPLIT], an annotation file or a folder in one of
            `layouts.FORMATS`.
        images: folder of the pictures; None: where the layout has them.
        split: "train" or "val": what it is for, where no split is named.
        classes: classes to read, in this order; None: those of the file.

    Returns:
        A `dataset` dict with `type` and its sources, without a pipeline.

    Raises:
        InputError: nothing of that name, or not plain what is meant; the message says what can be
            given.
    """
    chosen: dict[str, Any]
    if name == "shapes":
        chosen = {"type": "cascadekit.ShapesDataset", "split": split}
    elif name == "coco":
        chosen = {
            "type": "cascadekit.CocoDataset",
            "ann_file": f"data/coco/annotations/instances_{split}2017.json",
            "image_dir": f"data/coco/{split}2017/",
        }
    else:
        chosen = _layout_config(name, images, split)
    if classes is not None:
        chosen["classes"] = list(classes)
    return chosen


def _layout_config(name: str, images: str | None, role: str) -> dict[str, Any]:
    named = parse_data(name)
    path = Path(named.path)
    if not path.exists() and path.suffix == ".json":
        # Not there: the reader says so best, and where to get COCO.
        return {
            "type": "cascadekit.CocoDataset",
            "ann_file": named.path,
            "image_dir": images or str(path.parent),
        }
    if not path.exists():
        raise InputError(
            f"--data {name}: expected {' or '.join(NAMES)}, a COCO annotation file (.json), a "
            f"folder ({', '.join(FORMATS)}) or FOLDER:SPLIT, and there is no such file or folder."
            f"{did_you_mean(name, NAMES)}"
        )
    layout = _find(name, named)
    split = layout.choose(role) if named.split is None else named.split
    known = ", ".join(layout.splits)
    if split is None:
        raise InputError(
            f"--data {name}: {layout.found} has no split that is plainly for {role}; choose one "
            f"of {known}: {_spell(named, next(iter(layout.splits)))}"
        )
    if split not in layout.splits:
        raise InputError(
            f"--data {name}: {layout.found} has no split {split!r}, it has: {known}."
            f"{did_you_mean(split, layout.splits)}"
        )
    which = "" if split == ALL else f", split {split} of {known}"
    print_log(f"--data {name}: {layout.found}{which}", logger="current")
    chosen = dict(layout.splits[split])
    if images is not None:
        if layout.kind == "voc":
            chosen.setdefault("ann_dir", chosen["image_dir"])
        chosen["image_dir"] = images
    return chosen


def _find(name: str, named: NamedData) -> Layout:
    try:
        return find_layout(named.path, named.kind)
    except InputError as error:
        raise InputError(f"--data {name}: {error}") from None


def _spell(named: NamedData, split: str) -> str:
    head = "" if named.kind is None else f"{named.kind}:"
    return f"--data {head}{named.path}:{split}"


def has_validation(name: str) -> bool:
    """Whether a data set brings its own validation split, beside the one to train on.

    Args:
        name: what `--data` says; with a split named, nothing else is taken.

    Returns:
        True for named sets, and for folders with both splits.

    Raises:
        InputError: see `dataset_config`.
    """
    if name in NAMES:
        return True
    named = parse_data(name)
    if named.split is not None or not Path(named.path).is_dir():
        return False
    layout = _find(name, named)
    train, val = layout.choose("train"), layout.choose("val")
    return train is not None and val is not None and train != val


def classes_of(dataset: dict[str, Any]) -> tuple[str, ...] | None:
    """Classes a data set config will have, read from its files; None if it says so itself later.

    Args:
        dataset: config of a data set, with `type` and, if fixed, `classes`.

    Returns:
        K names in label order; None for a type that is not ours.

    Raises:
        InputError: the annotation file is missing or broken.
    """
    if dataset.get("classes"):
        return tuple(dataset["classes"])
    kind = dataset["type"].removeprefix("cascadekit.")
    if kind == "CocoDataset":
        return read_classes(dataset["ann_file"])
    if kind == "VOCDataset":
        return read_voc_classes(dataset["image_dir"], dataset.get("ann_dir"))
    if kind == "KittiDataset":
        return read_kitti_classes(dataset["label_dir"])
    if kind == "ShapesDataset":
        from cascadekit.datasets.shapes import CLASSES

        return tuple(CLASSES)
    return ONE_CLASS.get(kind)


def choose_data(
    config: Config,
    data: str | None = None,
    images: str | None = None,
    val_data: str | None = None,
    val_images: str | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Replace the data sets of a config, in place, and set its class count.

    Args:
        config: with the pipelines to keep.
        data: what to train on (see `dataset_config`); None: the config's own.
        images: folder of its pictures.
        val_data: what to validate and test on; None: the same set's val split for a named set and
            for a folder that has one, nothing otherwise (then there is no validation).
        val_images: folder of its pictures.
        classes: fixes the classes and their order, e.g. a checkpoint's.

    Raises:
        InputError: data that does not exist.
    """
    if data is None and val_data is None:
        return
    if data is not None:
        chosen = dataset_config(data, images, "train", classes)
        classes = classes_of(chosen)
        _replace(config.train_dataloader.dataset, chosen)
        if val_data is None and has_validation(data):
            val_data, val_images = data, images if val_images is None else val_images
    if val_data is not None:
        chosen = dataset_config(val_data, val_images, "val", classes)
        classes = classes_of(chosen) if classes is None else classes
        for loader in ("val_dataloader", "test_dataloader"):
            if config.get(loader) is not None:
                _replace(config[loader].dataset, chosen)
        _fit_metrics(config, chosen["type"])
    else:
        for key in ("val_dataloader", "val_evaluator", "val_cfg"):
            config[key] = None
    if classes is not None:
        config.model.num_classes = len(classes)


KEPT = ("pipeline", "test_mode", "keep_empty", "min_size")
# Metrics of one benchmark, which need the rows of its own format.
READER_OF = {
    "KittiMetric": "KittiDataset",
    "CityPersonsMetric": "CityPersonsDataset",
    "WiderFaceMetric": "WiderFaceDataset",
}


def _fit_metrics(config: Config, kind: str) -> None:
    """COCO's metric where a config has one of a benchmark that the data are not of."""
    for key in ("val_evaluator", "test_evaluator"):
        own = config.get(key)
        if isinstance(own, dict):
            reader = READER_OF.get(str(own.get("type")).removeprefix("cascadekit."))
            if reader is not None and reader != kind.removeprefix("cascadekit."):
                config[key] = {"type": "cascadekit.CocoMetric"}


def _replace(dataset: Any, chosen: dict[str, Any]) -> None:
    """Swap a data set's type and sources; its pipeline and filters stay."""
    kept = {key: dataset[key] for key in KEPT if key in dataset}
    dataset.clear()
    dataset.update({**chosen, **kept})
