"""What every data set here has in common: the record of one picture and the rules it obeys.

A record is a dict with `img_path`, `img_id`, `height`, `width` (pixels of the file) and
`instances`, a list of dicts:

- `bbox`: [x1, y1, x2, y2] float, pixels of the file, inside the picture and not empty
- `label`: int, 0..K-1
- `area`: float, square pixels of the file (the annotation's own where it gives one)
- `iscrowd`, `ignore`: 0 or 1; either keeps training from learning it. `iscrowd` is a region, where
  anything may be; `ignore` alone a single object ("difficult", too small)
- `segmentation`: polygons, RLE, or None when the object has no usable mask

Readers of a benchmark's own format add what that benchmark knows of an object, and `devkit` to the
record: all annotated rows as written, also those that are no instance, by the names that the
benchmark's evaluation in `cascadekit.evaluation` takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from cascadekit.errors import InputError, did_you_mean

Record = dict[str, Any]


@dataclass
class Tally:
    """What was changed or left out while a data set was read, for one line in the log.

    Attributes:
        objects: kept.
        clipped: kept, but cut at the picture's border by more than a pixel.
        empty: dropped, nothing of the box lies inside the picture.
        no_mask: kept, but their segmentation is missing or cannot be drawn.
        small_images: pictures dropped for their size.
        empty_images: pictures dropped because nothing in them can be learned.
    """

    objects: int = 0
    clipped: int = 0
    empty: int = 0
    no_mask: int = 0
    small_images: int = 0
    empty_images: int = 0

    def summary(self, source: str, num_images: int, num_classes: int) -> str:
        """One line for the log; counts of zero are left out."""
        notes = [
            f"{count} {what}"
            for count, what in (
                (self.clipped, "boxes cut at the picture's border"),
                (self.empty, "empty boxes dropped"),
                (self.no_mask if self.no_mask < self.objects else 0, "objects without usable mask"),
                (self.small_images, "pictures dropped as too small"),
                (self.empty_images, "pictures without objects dropped"),
            )
            if count
        ]
        head = f"{source}: {num_images} pictures, {self.objects} objects, {num_classes} classes"
        return "; ".join([head, *notes])


def clip_box(box: Sequence[float], width: int, height: int) -> list[float] | None:
    """Cut one box at the picture's border.

    Args:
        box: x1, y1, x2, y2 in pixels of the file.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        [x1, y1, x2, y2], or None when nothing is left or a coordinate is not finite.
    """
    x1, y1, x2, y2 = box
    if not math.isfinite(x1 + y1 + x2 + y2):
        return None
    x1, x2 = max(x1, 0.0), min(x2, float(width))
    y1, y2 = max(y1, 0.0), min(y2, float(height))
    return [x1, y1, x2, y2] if x2 > x1 and y2 > y1 else None


def add_instance(
    record: Record, box: Sequence[float], instance: Mapping[str, Any], tally: Tally
) -> None:
    """Append one object to a record, unless its box is empty; counts what happened.

    Args:
        record: of the picture; its `instances` grow.
        box: x1, y1, x2, y2 in pixels of the file, as annotated.
        instance: the other keys of an instance; `area` None means the box's.
        tally: counts.
    """
    kept = clip_box(box, record["width"], record["height"])
    if kept is None:
        tally.empty += 1
        return
    # Exporters round boxes by a hair beyond the border; only more than a pixel is worth a word.
    tally.clipped += max(abs(a - b) for a, b in zip(box, kept, strict=True)) > 1
    tally.objects += 1
    tally.no_mask += instance["segmentation"] is None
    area = instance["area"]
    if area is None:
        area = (kept[2] - kept[0]) * (kept[3] - kept[1])
    record["instances"].append({**instance, "bbox": kept, "area": float(area)})


def add_region(
    record: Record,
    box: Sequence[float],
    labels: Sequence[int],
    instance: Mapping[str, Any],
    tally: Tally,
) -> None:
    """Append a region that some classes ignore, as one instance for each of them.

    Training sees them as one region (`PackInputs`); it counts as one object.

    Args:
        record: of the picture; its `instances` grow.
        box: x1, y1, x2, y2 in pixels of the file, as annotated.
        labels: of the classes that ignore it, at least one.
        instance: the other keys of an instance, with `ignore` 1; `area` None means the box's.
        tally: counts.
    """
    before = len(record["instances"])
    add_instance(record, box, {**instance, "label": labels[0]}, tally)
    for added in record["instances"][before:]:
        record["instances"].extend({**added, "label": label} for label in labels[1:])


def usable_segmentation(segmentation: Any, height: int, width: int) -> Any:
    """The part of a COCO segmentation that can be drawn.

    Args:
        segmentation: polygons, one flat polygon, RLE, or anything a json may hold instead.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Returns:
        RLE unchanged; polygons without those of fewer than 3 points, of odd length, not finite or
        without extent; None when nothing is left.
    """
    if isinstance(segmentation, dict):
        counts = segmentation.get("counts")
        if list(segmentation.get("size", ())) != [height, width] or not counts:
            return None
        if isinstance(counts, list) and sum(counts) != height * width:
            return None
        return segmentation
    if not isinstance(segmentation, list):
        return None
    if segmentation and isinstance(segmentation[0], int | float):
        segmentation = [segmentation]  # some exporters forget the outer list
    return [polygon for polygon in segmentation if _has_extent(polygon)] or None


def _has_extent(polygon: Any) -> bool:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        return False
    try:
        finite = math.isfinite(sum(polygon))
    except TypeError:
        return False
    x, y = polygon[0::2], polygon[1::2]
    return finite and max(x) > min(x) and max(y) > min(y)


def select_classes(
    known: Sequence[str], wanted: Sequence[str] | None, source: str
) -> tuple[str, ...]:
    """The classes to use, in label order.

    Args:
        known: names in the annotations, in their own order.
        wanted: a subset in the order of the labels; None takes all.
        source: what to call the annotations in a message.

    Returns:
        Names; label k is the k-th.

    Raises:
        InputError: a wanted name is not known, or is given twice, or `wanted` is one string.
    """
    if wanted is None:
        return tuple(known)
    if isinstance(wanted, str):
        raise InputError(f"classes must be a list of names, got the string {wanted!r}")
    for name in wanted:
        if name not in known:
            raise InputError(
                f"class {name!r} is not in {source}, which has: {', '.join(known)}."
                f"{did_you_mean(str(name), known)}"
            )
    if len(set(wanted)) < len(wanted):
        raise InputError(f"classes names a class twice: {', '.join(wanted)}")
    if not wanted:
        raise InputError("classes is empty: name at least one class, or leave it out to use all")
    return tuple(wanted)


def keep_for_training(
    records: Sequence[Record], keep_empty: bool, min_size: float, tally: Tally
) -> list[Record]:
    """Leave out pictures that training cannot use; counts them.

    Args:
        records: of all pictures.
        keep_empty: keep pictures in which no object can be learned.
        min_size: drop pictures whose shorter side is less, pixels.
        tally: counts.

    Returns:
        The records kept, in order.
    """
    kept = []
    for record in records:
        if min(record["width"], record["height"]) < min_size:
            tally.small_images += 1
        elif not keep_empty and not any(map(is_object, record["instances"])):
            tally.empty_images += 1
        else:
            kept.append(record)
    return kept


def is_object(instance: Mapping[str, Any]) -> bool:
    """Whether an instance is to be learned, and not a region to be ignored."""
    return not (instance["iscrowd"] or instance["ignore"])


def check_count(count: int, indices: int | Sequence[int] | None, source: str, why: str) -> None:
    """Refuse a data set that ends up empty, which mmengine would meet with a numpy error.

    Args:
        count: pictures left.
        indices: which of them the user asked for.
        source: what to call the annotations in a message.
        why: how many pictures were left out for which reason, or "".

    Raises:
        InputError: no picture is left, or `indices` asks for none or for one that does not exist.
    """
    if not count:
        raise InputError(
            f"{source} leaves no picture to use{why}. Check the file and `classes`; "
            "keep_empty=True keeps pictures without objects"
        )
    if indices is None:
        return
    if isinstance(indices, int):
        indices = (0,) if indices else ()
    if not len(indices):
        raise InputError("indices selects no picture: give a number other than 0 or a list")
    far = [i for i in indices if not -count <= i < count]
    if far:
        raise InputError(f"indices asks for picture {far[0]}, but {source} has {count} pictures")


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) in stored pixels, read from the file's header.

    Args:
        path: the picture.

    Returns:
        Two whole numbers; its EXIF tag is not looked at.

    Raises:
        InputError: the file is missing or is not a picture.
    """
    try:
        with Image.open(path) as picture:
            return picture.size
    except FileNotFoundError:
        raise InputError(f"picture not found: {path}") from None
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path} is not a picture that can be read: {error}") from None


def check_image_dir(image_dir: str) -> None:
    """Raise InputError when the folder of pictures does not exist."""
    folder = Path(image_dir)
    if folder.is_dir():
        return
    parent = folder.absolute().parent
    near = [p.name for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
    raise InputError(
        f"folder of pictures not found: {image_dir!r} (looked for {folder.absolute()}). "
        f"Set image_dir, or add `--data shapes` to try things on drawn pictures."
        f"{did_you_mean(folder.name, near)}"
    )
