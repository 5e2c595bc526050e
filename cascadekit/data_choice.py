"""`--data`: put another data set into any config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine import Config

from cascadekit.datasets.coco import read_classes
from cascadekit.datasets.voc import read_voc_classes
from cascadekit.errors import InputError, did_you_mean

NAMES = ("shapes", "coco")


def dataset_config(
    name: str, images: str | None, split: str, classes: Sequence[str] | None
) -> dict[str, Any]:
    """Data set part of a config for what the user named.

    Args:
        name: "shapes", "coco", a COCO json, or a folder of PASCAL VOC xml files.
        images: folder of the pictures; None: beside the json or xml.
        split: "train" or "val", for the named sets.
        classes: classes to read, in this order; None: those of the file.

    Returns:
        A `dataset` dict with `type` and its sources, without a pipeline.

    Raises:
        InputError: nothing of that name; the message says what can be given.
    """
    chosen: dict[str, Any]
    path = Path(name)
    if name == "shapes":
        chosen = {"type": "cascadekit.ShapesDataset", "split": split}
    elif name == "coco":
        chosen = {
            "type": "cascadekit.CocoDataset",
            "ann_file": f"data/coco/annotations/instances_{split}2017.json",
            "image_dir": f"data/coco/{split}2017/",
        }
    elif path.suffix == ".json":
        chosen = {"type": "cascadekit.CocoDataset", "ann_file": name}
        chosen["image_dir"] = images or str(path.parent)
    elif path.is_dir():
        devkit = (path / "Annotations").is_dir()
        chosen = {"type": "cascadekit.VOCDataset"}
        chosen["image_dir"] = images or str(path / "JPEGImages" if devkit else path)
        if devkit:
            chosen["ann_dir"] = str(path / "Annotations")
        elif images is not None:
            chosen["ann_dir"] = str(path)
    else:
        raise InputError(
            f"--data {name}: expected {' or '.join(NAMES)}, a COCO annotation file (.json) or a "
            f"folder of VOC xml files, and there is no such file or folder."
            f"{did_you_mean(name, NAMES)}"
        )
    if classes is not None:
        chosen["classes"] = list(classes)
    return chosen


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
    if kind == "ShapesDataset":
        from cascadekit.datasets.shapes import CLASSES

        return tuple(CLASSES)
    return None


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
        val_data: what to validate and test on; None: the same set's val split for a named set,
            nothing otherwise (then there is no validation).
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
        if val_data is None and data in NAMES:
            val_data = data
    if val_data is not None:
        chosen = dataset_config(val_data, val_images, "val", classes)
        classes = classes_of(chosen) if classes is None else classes
        for loader in ("val_dataloader", "test_dataloader"):
            if config.get(loader) is not None:
                _replace(config[loader].dataset, chosen)
    else:
        for key in ("val_dataloader", "val_evaluator", "val_cfg"):
            config[key] = None
    if classes is not None:
        config.model.num_classes = len(classes)


KEPT = ("pipeline", "test_mode", "keep_empty", "min_size")


def _replace(dataset: Any, chosen: dict[str, Any]) -> None:
    """Swap a data set's type and sources; its pipeline and filters stay."""
    kept = {key: dataset[key] for key in KEPT if key in dataset}
    dataset.clear()
    dataset.update({**chosen, **kept})
