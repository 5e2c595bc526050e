"""The splits that a config names, each read as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mmengine import Config

from cascadekit.doctor.raw_set import RawSet
from cascadekit.doctor.read_coco import read_coco
from cascadekit.doctor.read_records import read_records
from cascadekit.doctor.read_voc import read_voc

ROLES = ("train", "val")  # what a training reads


def raw_sets(config: Config) -> tuple[RawSet, ...]:
    """Every data set of a config once, as it is written.

    Args:
        config: of `load_config`.

    Returns:
        The training set first; a validation set that is the training set is not repeated. A set
        that consists of several (ConcatDataset) gives several.
    """
    found: list[RawSet] = []
    seen: list[Any] = []
    for role in ROLES:
        loader = config.get(f"{role}_dataloader")
        for dataset in () if loader is None else _plain(loader["dataset"]):
            sources = _sources(dataset)
            if sources in seen:
                continue
            seen.append(sources)
            found.append(read_split(dataset, role))
    return tuple(found)


def read_split(dataset: Mapping[str, Any], role: str) -> RawSet:
    """One data set, as it is written.

    Args:
        dataset: its config.
        role: "train" or "val".

    Returns:
        What can be read, and findings about the rest.
    """
    wanted = tuple(dataset.get("classes") or ())
    kind = str(dataset["type"]).rsplit(".", 1)[-1]
    if kind == "CocoDataset":
        own = read_coco(str(dataset["ann_file"]), str(dataset["image_dir"]), role)
    elif kind == "VOCDataset" and not dataset.get("mask_dir"):
        own = read_voc(dataset, role)
    else:
        return read_records(dataset, role)
    return replace(own, wanted=wanted)


def _plain(dataset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The data sets inside wrappers that repeat, balance or join."""
    if "datasets" in dataset:
        for one in dataset["datasets"]:
            yield from _plain(one)
    elif "dataset" in dataset:
        yield from _plain(dataset["dataset"])
    else:
        yield dataset


def _sources(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """What says which pictures and annotations a data set has."""
    return {
        key: value
        for key, value in dataset.items()
        if key not in ("pipeline", "test_mode", "keep_empty", "min_size", "indices", "classes")
    }
