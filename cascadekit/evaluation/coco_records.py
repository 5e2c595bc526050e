"""COCO records checked once and brought to the form the evaluator reads; nothing is mutated."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pycocotools import mask as coco_mask

from cascadekit.errors import InputError, did_you_mean

IOU_TYPES = ("bbox", "segm")

# A COCO ground-truth file as json.load gives it: `images`, `annotations`, `categories`.
GroundTruth = Mapping[str, Any]
# One entry of a COCO results file: image_id, category_id, score, and bbox or segmentation.
Result = Mapping[str, Any]
# (number of the image, number of the category) -> its records.
Grouped = dict[tuple[int, int], list[dict[str, Any]]]


@dataclass(frozen=True)
class TruthIndex:
    """Numbers 0, 1, 2, ... in place of the ids of a ground-truth file.

    Attributes:
        images: id -> number. Numbers follow the sorted ids, so that the order of the file cannot
            change how equal scores of different images rank.
        sizes: (height, width) of each image by number; None where the file does not say.
        categories: id -> number, in the order of the file.
        names: of the categories by number, unique.
    """

    images: Mapping[Any, int]
    sizes: Sequence[tuple[int, int] | None]
    categories: Mapping[Any, int]
    names: Sequence[str]


def index_truth(ground_truth: GroundTruth) -> TruthIndex:
    """Number the images and categories of a ground-truth dict.

    Args:
        ground_truth: a COCO dict; all three lists may be empty.

    Returns:
        What turns ids into numbers.

    Raises:
        InputError: a list is missing, or two images or two categories share an id.
    """
    if not isinstance(ground_truth, Mapping):
        raise InputError(
            f"ground truth must be a COCO dict, got {type(ground_truth).__name__}: load the json "
            "file first"
        )
    for key in ("images", "annotations", "categories"):
        if key not in ground_truth:
            raise InputError(
                f"ground truth has no {key!r}: expected the keys images, annotations and "
                f"categories, got {sorted(map(str, ground_truth))}."
                f"{did_you_mean(key, map(str, ground_truth))}"
            )
    images = {}
    for i, image in enumerate(ground_truth["images"]):
        _add_once(images, _get(image, "id", f"images[{i}]"), image, f"images[{i}]")
    categories = {}
    for i, category in enumerate(ground_truth["categories"]):
        _add_once(
            categories, _get(category, "id", f"categories[{i}]"), category, f"categories[{i}]"
        )
    ordered = sorted(images, key=lambda key: (isinstance(key, str), key))
    sizes = [
        (int(image["height"]), int(image["width"])) if {"height", "width"} <= set(image) else None
        for image in (images[key] for key in ordered)
    ]
    return TruthIndex(
        {key: number for number, key in enumerate(ordered)},
        sizes,
        {key: number for number, key in enumerate(categories)},
        _unique_names(categories),
    )


def group_truths(ground_truth: GroundTruth, index: TruthIndex, iou_type: str) -> Grouped:
    """Copy the annotations, complete them and sort them by image and category.

    Args:
        ground_truth: a COCO dict. An annotation needs image_id, category_id and bbox (x, y, w, h);
            for "segm" also segmentation. `iscrowd` and `ignore` are 0 where absent, `area` is
            that of the box (of the mask for "segm").
        index: of the same dict.
        iou_type: "bbox" or "segm".

    Returns:
        Complete records, in file order within each group.

    Raises:
        InputError: an annotation lacks a key, or names an unknown image or category.
    """
    grouped: Grouped = defaultdict(list)
    for i, annotation in enumerate(ground_truth["annotations"]):
        where = f"annotations[{i}]"
        group = _group_of(annotation, index, where)
        shape = _shape(annotation, iou_type, index.sizes[group[0]], where)
        crowd = int(bool(annotation.get("iscrowd", 0)))
        area = annotation.get("area")
        shape["area"] = _area(shape) if area is None else float(area)
        # Ids from 1: the evaluator takes a match with id 0 for no match.
        shape |= {"id": i + 1, "iscrowd": crowd}
        shape["ignore"] = int(bool(crowd or annotation.get("ignore", 0)))
        grouped[group].append(shape)
    return grouped


def group_results(results: Sequence[Result], index: TruthIndex, iou_type: str) -> Grouped:
    """Copy the detections and sort them by image and category.

    Args:
        results: entries of a COCO results file; may be empty.
        index: of the ground truth.
        iou_type: "bbox" or "segm". Small, medium and large go by the box's area for "bbox" and
            by the mask's for "segm", whether or not a box comes with the mask.

    Returns:
        Complete records, in the given order within each group.

    Raises:
        InputError: an entry lacks a key, has no finite score, or names an unknown image or
            category.
    """
    if isinstance(results, Mapping) or not isinstance(results, Sequence):
        raise InputError(
            f"results must be a list of dicts, one per detection, got {type(results).__name__}"
        )
    grouped: Grouped = defaultdict(list)
    for i, result in enumerate(results):
        where = f"results[{i}]"
        group = _group_of(result, index, where)
        score = float(_get(result, "score", where))
        if not math.isfinite(score):
            raise InputError(f"{where} has score {score}, expected a finite number")
        shape = _shape(result, iou_type, index.sizes[group[0]], where)
        grouped[group].append(shape | {"id": i + 1, "score": score, "area": _area(shape)})
    return grouped


def to_rle(segmentation: Any, size: tuple[int, int], where: str = "a record") -> dict[str, Any]:
    """Any COCO segmentation as compressed RLE of the whole picture.

    Args:
        segmentation: polygons [[x, y, ...], ...] in pixels (fewer than three points draw
            nothing, and the list may be empty), or RLE with counts as a list, str or bytes.
        size: (height, width) of the picture, pixels.
        where: what the record is called in messages.

    Returns:
        {"size": [height, width], "counts": bytes or str}.

    Raises:
        InputError: it is neither, or the RLE is of another size than the picture.
    """
    height, width = size
    if isinstance(segmentation, Mapping) and {"size", "counts"} <= set(segmentation):
        if tuple(segmentation["size"]) != (height, width):
            raise InputError(
                f"{where}: RLE is of size {list(segmentation['size'])}, the picture is "
                f"{[height, width]} (height, width)"
            )
        if isinstance(segmentation["counts"], list):
            return coco_mask.frPyObjects(dict(segmentation), height, width)
        return {"size": [height, width], "counts": segmentation["counts"]}
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str):
        # Four numbers would be read as a box by pycocotools.
        polygons = [list(map(float, polygon)) for polygon in segmentation if len(polygon) >= 6]
        if not polygons:
            return coco_mask.frPyObjects({"size": size, "counts": [height * width]}, height, width)
        return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    raise InputError(
        f"{where}: segmentation must be polygons [[x, y, ...], ...] or RLE with size and counts, "
        f"got {type(segmentation).__name__}"
    )


def _add_once(known: dict[Any, Any], key: Any, value: Any, where: str) -> None:
    if key in known:
        raise InputError(f"{where} has id {key!r}, which an earlier entry has: ids must be unique")
    known[key] = value


def _unique_names(categories: Mapping[Any, Mapping[str, Any]]) -> list[str]:
    """Names for tables; categories of one name (Roboflow exports) are told apart by id."""
    names = [str(category.get("name", key)) for key, category in categories.items()]
    return [
        name if names.count(name) == 1 else f"{name} (id {key})"
        for name, key in zip(names, categories, strict=True)
    ]


def _get(record: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in record or record[key] is None:
        raise InputError(
            f"{where} has no {key!r}, got the keys {sorted(record)}.{did_you_mean(key, record)}"
        )
    return record[key]


def _group_of(record: Mapping[str, Any], index: TruthIndex, where: str) -> tuple[int, int]:
    numbers = []
    for key, known, called in (
        ("image_id", index.images, "images"),
        ("category_id", index.categories, "categories"),
    ):
        value = _get(record, key, where)
        if value not in known:
            raise InputError(
                f"{where} has {key} {value!r}, which is not among the {len(known)} {called} of "
                f"the ground truth{_id_hint(value, known)}"
            )
        numbers.append(known[value])
    return numbers[0], numbers[1]


def _id_hint(value: Any, known: Mapping[Any, int]) -> str:
    """Why an id may be unknown: text for a number, or the first ids that exist."""
    for key in known:
        if str(key) == str(value):
            return f": there {key!r} is {type(key).__name__}, not {type(value).__name__}"
    first = ", ".join(map(repr, list(known)[:5]))
    return f" ({first}{', ...' if len(known) > 5 else ''})"


def _shape(
    record: Mapping[str, Any], iou_type: str, size: tuple[int, int] | None, where: str
) -> dict[str, Any]:
    """The part of a record that overlaps are measured on: {"bbox"} or {"segmentation"}."""
    if iou_type == "segm":
        if size is None:
            raise InputError(f"{where}: masks need the height and width of its entry in images")
        return {"segmentation": to_rle(_get(record, "segmentation", where), size, where)}
    box = [float(value) for value in _get(record, "bbox", where)]
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) < 0:
        raise InputError(
            f"{where} has bbox {box}, expected four finite numbers [x, y, width, height] with "
            "width and height >= 0"
        )
    return {"bbox": box}


def _area(shape: Mapping[str, Any]) -> float:
    if "bbox" in shape:
        return shape["bbox"][2] * shape["bbox"][3]
    return float(coco_mask.area(shape["segmentation"]))
