"""Data sets whose annotations are one COCO json file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from cascadekit.datasets.records import (
    Record,
    Tally,
    add_instance,
    check_count,
    check_image_dir,
    is_object,
    keep_for_training,
    picture_size,
    select_classes,
    usable_segmentation,
)
from cascadekit.errors import InputError, did_you_mean
from cascadekit.registry import DATASETS


def read_classes(ann_file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Class names of a COCO json file, label k first to last, as `CocoDataset` reads them.

    Args:
        ann_file: path of the json file.

    Returns:
        K names in the order of the category ids.

    Raises:
        InputError: the file is missing, is not COCO json, or its categories are faulty.
    """
    categories, _ = _read_categories(read_coco_json(ann_file), str(ann_file))
    return tuple(name for _, name in categories)


def read_coco_json(ann_file: str | os.PathLike[str]) -> dict[str, Any]:
    """The parsed file, with its three lists checked to be there."""
    path = Path(ann_file)
    try:
        with path.open(encoding="utf-8") as file:
            data = json.load(file)
    except (FileNotFoundError, IsADirectoryError):
        folder = path.parent
        near = sorted(p.name for p in folder.glob("*.json")) if folder.is_dir() else []
        raise InputError(
            f"annotation file not found: {str(path)!r} (looked for {path.absolute()}). Set "
            "ann_file to your COCO json, get COCO from https://cocodataset.org/#download and "
            "unpack it below data/coco, or add `--data shapes` to use drawn pictures."
            f"{did_you_mean(path.name, near)}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not json: {error}. Is the download complete?") from None
    if not isinstance(data, dict):
        raise InputError(
            f"{path} holds a {type(data).__name__}, but COCO annotations are a dict with images, "
            "annotations and categories. Is it a file of results?"
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(data.get(key), list):
            raise InputError(
                f"{path} has no list {key!r}; COCO annotations have images, annotations and "
                f"categories, this file has: {', '.join(data) or 'nothing'}."
                f"{did_you_mean(key, data)}"
            )
    return data


def _field(entry: Any, key: str, what: str, ann_file: str) -> Any:
    """`entry[key]`, or an InputError that names the entry."""
    if not isinstance(entry, dict) or key not in entry:
        raise InputError(f"{ann_file}: {what} has no {key!r}: {str(entry)[:120]}")
    return entry[key]


def _read_categories(
    data: dict[str, Any], ann_file: str
) -> tuple[list[tuple[int, str]], tuple[int, str] | None]:
    """(id, name) in the order of the ids, and the exporter's parent category left out of them.

    Some exporters (Roboflow) add a category 0 that is only the `supercategory` of the others. As
    a class it would cost an output that nothing trains, and shift every label by one.
    """
    found: dict[int, str] = {}
    for entry in data["categories"]:
        number = _field(entry, "id", "a category", ann_file)
        name = _field(entry, "name", f"category {number}", ann_file)
        if number in found:
            raise InputError(f"{ann_file}: category id {number} is given twice")
        found[number] = str(name)
    if not found:
        raise InputError(f"{ann_file} has no categories")
    parent = None
    parents = {entry.get("supercategory") for entry in data["categories"] if entry["id"] != 0}
    if 0 in found and parents == {found[0]}:
        used = {a.get("category_id") for a in data["annotations"] if isinstance(a, dict)}
        if 0 not in used:
            parent = (0, found.pop(0))
    categories = sorted(found.items())
    names = list(found.values())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        ids = [number for number, name in categories if name == twice[0]]
        raise InputError(
            f"{ann_file}: categories {ids} share the name {twice[0]!r}; rename or merge them"
        )
    return categories, parent


def _read_images(images: list[Any], image_dir: str, ann_file: str) -> dict[Any, Record]:
    """One record without objects per image id, in the order of the file."""
    records: dict[Any, Record] = {}
    for position, image in enumerate(images):
        number = _field(image, "id", f"images[{position}]", ann_file)
        path = os.path.join(image_dir, _field(image, "file_name", f"image {number}", ann_file))
        if number in records:
            raise InputError(
                f"{ann_file}: image id {number} is given twice, for {records[number]['img_path']} "
                f"and {path}; every image needs its own id"
            )
        width, height = image.get("width"), image.get("height")
        if not width or not height:
            width, height = picture_size(Path(path))
        records[number] = {
            "img_path": path,
            "img_id": number,
            "height": int(height),
            "width": int(width),
            "instances": [],
        }
        if isinstance(image.get("devkit"), dict):  # of `coco_writer`
            records[number]["devkit"] = image["devkit"]
    return records


def _read_box(annotation: dict[str, Any], name: str, ann_file: str) -> list[float]:
    """The box as x1, y1, x2, y2; not clipped, perhaps empty or not finite."""
    box = _field(annotation, "bbox", name, ann_file)
    numbers = isinstance(box, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in box
    )
    if not numbers or len(box) != 4:
        raise InputError(
            f"{ann_file}: bbox of {name} must be 4 numbers [x, y, width, height], got {box!r}"
        )
    x, y, width, height = map(float, box)
    return [x, y, x + width, y + height]


@DATASETS.register_module()
class CocoDataset(BaseDataset):
    """Pictures with a COCO json file; items are what the pipeline makes of a record.

    Category ids in rising order become labels 0..K-1, and `metainfo["classes"]` holds the K names.
    A category without annotations keeps its label, so that train, valid and test files of one set
    agree; only an exporter's unused parent category 0 is left out (and the log says so).
    `metainfo["category_ids"]` are their ids in the file, for writing results.
    `metainfo["has_masks"]` says whether any object has a usable segmentation. Boxes are cut at the
    picture's border; those left empty are dropped and counted in one line of the log.
    """

    def __init__(
        self,
        ann_file: str,
        image_dir: str,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Read and check the annotations.

        Args:
            ann_file: path of the json file.
            image_dir: folder that the json's `file_name`s are below.
            pipeline: transforms, built or as config dicts.
            classes: the names to use, in label order; None takes all. Objects of other classes
                are left out.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: a fault of the files or arguments; the message names it.
        """
        self.classes = classes
        self.keep_empty = keep_empty
        self.min_size = min_size
        self.tally = Tally()
        super().__init__(
            ann_file=os.fspath(ann_file),
            data_prefix={"img": os.fspath(image_dir)},
            indices=indices,
            pipeline=list(pipeline),
            test_mode=test_mode,
        )

    def load_data_list(self) -> list[Record]:
        """Records of all pictures, in the order of the file (see `records`)."""
        data = read_coco_json(self.ann_file)
        image_dir = self.data_prefix["img"]
        check_image_dir(image_dir)
        categories, parent = _read_categories(data, self.ann_file)
        if parent is not None and parent[1] in (self.classes or ()):
            if parent[1] not in (name for _, name in categories):
                categories, parent = [parent, *categories], None
        if parent is not None:
            print_log(
                f"{self.ann_file}: left out category 0 {parent[1]!r}, which only names the group "
                f"of the {len(categories)} others and has no annotations",
                logger="current",
            )
        names = select_classes([name for _, name in categories], self.classes, self.ann_file)
        labels = {
            number: names.index(name) if name in names else None for number, name in categories
        }
        records = _read_images(data["images"], image_dir, self.ann_file)
        self._add_annotations(data["annotations"], records, labels)
        self._metainfo["classes"] = names
        ids = {name: number for number, name in categories}
        self._metainfo["category_ids"] = tuple(ids[name] for name in names)
        self._metainfo["has_masks"] = not self.tally.objects or (
            self.tally.no_mask < self.tally.objects
        )
        return list(records.values())

    def _add_annotations(
        self,
        annotations: list[Any],
        records: dict[Any, Record],
        labels: dict[int, int | None],
    ) -> None:
        """Put every annotation into its picture's record.

        Args:
            annotations: the json's list.
            records: by image id; their `instances` grow.
            labels: by category id; None for a class that is not wanted.
        """
        for position, annotation in enumerate(annotations):
            name = f"annotations[{position}]"
            if isinstance(annotation, dict) and "id" in annotation:
                name = f"annotation {annotation['id']}"
            image_id = _field(annotation, "image_id", name, self.ann_file)
            category_id = _field(annotation, "category_id", name, self.ann_file)
            for key, value, known in (
                ("image_id", image_id, records),
                ("category_id", category_id, labels),
            ):
                if value not in known:
                    raise InputError(
                        f"{self.ann_file}: {name} has {key} {value!r}, but no such "
                        f"{'image' if key == 'image_id' else 'category'} is listed"
                    )
            box = _read_box(annotation, name, self.ann_file)
            label = labels[category_id]
            if label is None:
                continue
            record = records[image_id]
            area = annotation.get("area")
            instance = {
                "label": label,
                "area": area if isinstance(area, int | float) else None,
                "iscrowd": int(bool(annotation.get("iscrowd", 0))),
                "ignore": int(bool(annotation.get("ignore", 0))),
                "segmentation": usable_segmentation(
                    annotation.get("segmentation"), record["height"], record["width"]
                ),
            }
            add_instance(record, box, instance, self.tally)

    def filter_data(self) -> list[Record]:
        """Records to use: all in test mode, else those that training can use."""
        records = self.data_list
        if not self.test_mode:
            records = keep_for_training(records, self.keep_empty, self.min_size, self.tally)
        summary = self.tally.summary(self.ann_file, len(records), len(self._metainfo["classes"]))
        check_count(len(records), self._indices, self.ann_file, f" ({summary})")
        print_log(summary, logger="current")
        return records

    def prepare_data(self, idx: int) -> Any:
        """What the pipeline makes of record `idx`; an InputError of a transform passes through."""
        info = self.get_data_info(idx)
        info["test_mode"] = self.test_mode
        info["has_masks"] = self._metainfo["has_masks"]
        return self.pipeline(info)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels in picture `idx`, for mmengine's `ClassBalancedDataset`."""
        return [i["label"] for i in self.get_data_info(idx)["instances"] if is_object(i)]
