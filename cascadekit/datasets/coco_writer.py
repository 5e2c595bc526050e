"""Write any of our data sets as one COCO json."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dataset import BaseDataset

from cascadekit.datasets.records import Record
from cascadekit.errors import InputError

# What has a place of its own in a COCO annotation; the rest goes along under its own name.
KNOWN = ("bbox", "label", "area", "iscrowd", "ignore", "segmentation")
DIGITS = 6  # of coordinates: x2 - x1 of decimal numbers has a tail of noise


def coco_dict(dataset: BaseDataset, image_root: str) -> dict[str, Any]:
    """A data set as COCO's dict.

    Args:
        dataset: in test mode, so that it has every picture; records as `records` describes.
        image_root: folder that `file_name`s are relative to.

    Returns:
        `images`, `annotations`, `categories`. Pictures keep whole-number ids; others get 1, 2, ...
        and have theirs as `name`. Annotations have `ignore` beside `iscrowd`, and what a format
        knows more of an object (`truncated`, `visible_ratio`, ...) under its own name; other
        readers skip it. A region that several classes ignore is there once for each. An image has
        the rows of its benchmark's own format as `devkit`, for that benchmark's evaluation.

    Raises:
        InputError: a picture is not below `image_root`.
    """
    records = [dataset.get_data_info(i) for i in range(len(dataset))]
    numbered = all(isinstance(record["img_id"], int) for record in records)
    classes = dataset.metainfo["classes"]
    ids = dataset.metainfo.get("category_ids") or range(1, len(classes) + 1)
    images, annotations = [], []
    for position, record in enumerate(records, 1):
        number = record["img_id"] if numbered else position
        images.append(_image(record, number, image_root))
        for instance in record["instances"]:
            entry = _annotation(instance, ids[instance["label"]])
            annotations.append({"id": len(annotations) + 1, "image_id": number, **entry})
    categories = [{"id": int(k), "name": name} for k, name in zip(ids, classes, strict=True)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _image(record: Record, number: int, root: str) -> dict[str, Any]:
    name = os.path.relpath(record["img_path"], root).replace(os.sep, "/")
    if name.startswith("../"):
        raise InputError(f"{record['img_path']} is not below {root}, the folder of all pictures")
    image = {"id": number, "file_name": name, "width": record["width"], "height": record["height"]}
    if record["img_id"] != number:
        image["name"] = record["img_id"]
    # All rows as annotated: instances are cut at the border, and some rows are none.
    return {**image, "devkit": record["devkit"]} if "devkit" in record else image


def _annotation(instance: Mapping[str, Any], category: int) -> dict[str, Any]:
    x1, y1, x2, y2 = instance["bbox"]
    entry = {
        "category_id": int(category),
        "bbox": [round(v, DIGITS) for v in (x1, y1, x2 - x1, y2 - y1)],
        "area": round(instance["area"], DIGITS),
        "iscrowd": instance["iscrowd"],
        "ignore": instance["ignore"],
    }
    if instance["segmentation"] is not None:
        entry["segmentation"] = instance["segmentation"]
    return {**entry, **{k: v for k, v in instance.items() if k not in KNOWN}}


def ignore_low(data: Mapping[str, Any], min_height: float) -> dict[str, Any]:
    """The same data with low objects as regions to ignore.

    Args:
        data: of `coco_dict`.
        min_height: pixels of the file; lower objects get `ignore` and `iscrowd` 1.

    Returns:
        A dict with new annotations; the rest is shared.
    """
    marks = {"iscrowd": 1, "ignore": 1}
    annotations = [
        {**entry, **marks} if entry["bbox"][3] < min_height else entry
        for entry in data["annotations"]
    ]
    return {**data, "annotations": annotations}


def picture_root(image_dirs: Sequence[str]) -> str:
    """The folder that all pictures of a data set are below."""
    return os.path.commonpath([os.path.abspath(folder) for folder in image_dirs])
