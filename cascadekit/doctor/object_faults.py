"""Faults of one object, each with how to see it, how bad it is, and what `--fix` makes of it.

The faults are looked for in the order of the table, each on what the one before left: a box with
swapped corners is turned before it is cut at the border.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pycocotools import mask as coco_mask

from cascadekit.datasets.records import clip_box, usable_segmentation
from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Box
from cascadekit.doctor.raw_set import RawObject

Size = tuple[int, int]  # width, height; (0, 0) where nobody knows it
THIN = 2.0  # pixels; a box this narrow is a slip more often than an object
AGREE = 0.5  # IoU of a mask's extent with its box, below which they mean different things
AREA_SLACK = 1.05  # an area may exceed its box by rounding


@dataclass(frozen=True)
class ObjectFault:
    """A fault that one object can have.

    Attributes:
        check: its name.
        severity: see `Finding`.
        one: what one such object is called, "box without area".
        many: what several are.
        fix: what to do.
        there: whether an object in a picture of that size has it.
        mend: the object without it, or None to leave it out; None: only a person can tell.
        repair: what `mend` does, in words.
    """

    check: str
    severity: str
    one: str
    many: str
    fix: str
    there: Callable[[RawObject, Size], bool]
    mend: Callable[[RawObject, Size], RawObject | None] | None = None
    repair: str = ""


def _no_box(o: RawObject, size: Size) -> bool:
    return o.box is None


def _drop(o: RawObject, size: Size) -> None:
    return None


def _swapped(o: RawObject, size: Size) -> bool:
    return o.box is not None and (o.box[2] < o.box[0] or o.box[3] < o.box[1])


def _turn(o: RawObject, size: Size) -> RawObject:
    assert o.box is not None
    x1, y1, x2, y2 = o.box
    return replace(o, box=(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))


def _no_extent(o: RawObject, size: Size) -> bool:
    return o.box is not None and (o.box[2] == o.box[0] or o.box[3] == o.box[1])


def _beyond(o: RawObject, size: Size) -> bool:
    """Nothing of it lies inside, though it has an extent."""
    if o.box is None or size == (0, 0) or _swapped(o, size) or _no_extent(o, size):
        return False
    return clip_box(o.box, *size) is None


def _reaches_out(o: RawObject, size: Size) -> bool:
    """More than a pixel of it lies outside; exporters round by a hair."""
    if o.box is None or size == (0, 0) or _swapped(o, size):
        return False
    kept = clip_box(o.box, *size)
    return kept is not None and max(abs(a - b) for a, b in zip(o.box, kept, strict=True)) > 1


def _cut(o: RawObject, size: Size) -> RawObject | None:
    kept = None if o.box is None else clip_box(o.box, *size)
    if kept is None:
        return None
    cut = replace(o, box=(kept[0], kept[1], kept[2], kept[3]))
    return replace(cut, area=None) if _area_off(cut, size) else cut


def _thin(o: RawObject, size: Size) -> bool:
    if o.box is None or o.region:
        return False
    return 0 < min(o.box[2] - o.box[0], o.box[3] - o.box[1]) < THIN


def _usable(o: RawObject, size: Size) -> Any:
    """The part of the segmentation that can be drawn, or None."""
    return usable_segmentation(o.segmentation, size[1], size[0])


def _has_some(o: RawObject) -> bool:
    return o.segmentation not in (None, [], {})


def _no_mask_left(o: RawObject, size: Size) -> bool:
    return _has_some(o) and size != (0, 0) and _usable(o, size) is None


def _without_mask(o: RawObject, size: Size) -> RawObject:
    return replace(o, segmentation=None)


def _some_left(o: RawObject, size: Size) -> bool:
    """Some of its polygons cannot be drawn, and others can."""
    if not isinstance(o.segmentation, list) or size == (0, 0):
        return False
    usable = _usable(o, size)
    flat = bool(o.segmentation) and isinstance(o.segmentation[0], int | float)
    return usable is not None and not flat and len(usable) < len(o.segmentation)


def _usable_only(o: RawObject, size: Size) -> RawObject:
    return replace(o, segmentation=_usable(o, size))


def mask_extent(segmentation: Any) -> Box | None:
    """Corners of what a usable segmentation covers; None where that cannot be told."""
    if isinstance(segmentation, dict):
        counts, (height, width) = segmentation["counts"], segmentation["size"]
        if isinstance(counts, list):
            segmentation = coco_mask.frPyObjects(segmentation, height, width)
        x, y, w, h = coco_mask.toBbox(segmentation).tolist()
        return (x, y, x + w, y + h) if w and h else None
    points = [v for polygon in segmentation for v in polygon]
    return (min(points[0::2]), min(points[1::2]), max(points[0::2]), max(points[1::2]))


def overlap(a: Box, b: Box) -> float:
    """IoU of two boxes, 0 where one is empty."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return both / (sum(areas) - both)


def _disagrees(o: RawObject, size: Size) -> bool:
    usable = _usable(o, size) if _has_some(o) and size != (0, 0) else None
    if usable is None or o.box is None or o.region:
        return False
    extent = mask_extent(usable)
    return extent is not None and overlap(extent, o.box) < AGREE


def _area_off(o: RawObject, size: Size) -> bool:
    """The area decides between small, medium and large in COCO's metric."""
    if o.area is None or o.box is None or _swapped(o, size):
        return False
    own = (o.box[2] - o.box[0]) * (o.box[3] - o.box[1])
    return own > 0 and not 0 < o.area <= own * AREA_SLACK + 1


def _without_area(o: RawObject, size: Size) -> RawObject:
    return replace(o, area=None)


OBJECT_FAULTS = (
    ObjectFault(
        "box.none",
        ERROR,
        "object whose box is not four finite numbers",
        "objects whose box is not four finite numbers",
        "Write [x, y, width, height], or leave the object out",
        _no_box,
        _drop,
        "left out",
    ),
    ObjectFault(
        "box.swapped",
        WARNING,
        "box with a negative width or height",
        "boxes with a negative width or height",
        "Swap the corners; our reader leaves such boxes out, and the object becomes background",
        _swapped,
        _turn,
        "corners swapped",
    ),
    ObjectFault(
        "box.zero_area",
        WARNING,
        "box without area",
        "boxes without area",
        "Remove them or draw them anew (a stray click?); our reader leaves them out",
        _no_extent,
        _drop,
        "left out",
    ),
    ObjectFault(
        "box.beyond",
        WARNING,
        "box that lies outside of its picture",
        "boxes that lie outside of their pictures",
        "Was the picture cropped or resized after it was annotated? Our reader leaves them out",
        _beyond,
        _drop,
        "left out",
    ),
    ObjectFault(
        "box.outside",
        WARNING,
        "box that reaches out of its picture by more than a pixel",
        "boxes that reach out of their pictures by more than a pixel",
        "Cut them at the border, as our reader does. If there are many: other pictures than those "
        "that were annotated?",
        _reaches_out,
        _cut,
        "cut at the border",
    ),
    ObjectFault(
        "box.thin",
        NOTE,
        f"box narrower than {THIN:g} pixels",
        f"boxes narrower than {THIN:g} pixels",
        "Look at them: slips of the mouse, or objects that no detector can see?",
        _thin,
    ),
    ObjectFault(
        "mask.unusable",
        WARNING,
        "mask that cannot be drawn (polygons of fewer than 3 points, or RLE of another size)",
        "masks that cannot be drawn (polygons of fewer than 3 points, or RLE of another size)",
        "Draw them anew; boxes are still learned, masks of these objects are not",
        _no_mask_left,
        _without_mask,
        "mask left out, box kept",
    ),
    ObjectFault(
        "mask.degenerate",
        NOTE,
        "mask with some polygons that have no extent",
        "masks with some polygons that have no extent",
        "Nothing: these polygons are left out, the others drawn",
        _some_left,
        _usable_only,
        "polygons left out",
    ),
    ObjectFault(
        "mask.disagrees",
        WARNING,
        f"mask that covers something else than its box (IoU below {AGREE:g})",
        f"masks that cover something else than their boxes (IoU below {AGREE:g})",
        "Look at them: one of the two is wrong, and a mask head would learn it",
        _disagrees,
    ),
    ObjectFault(
        "area.wrong",
        NOTE,
        "area that is zero, negative or larger than its box",
        "areas that are zero, negative or larger than their boxes",
        "Leave `area` out or compute it: COCO's metric sorts objects into small, medium and large "
        "by it",
        _area_off,
        _without_area,
        "computed anew",
    ),
)


def faults_of(item: RawObject, size: Size) -> tuple[list[ObjectFault], RawObject | None]:
    """All faults of one object.

    Args:
        item: as it is written.
        size: (width, height) of its picture; (0, 0) where nobody knows it.

    Returns:
        The faults, in the order of the table, and the object without those that can be mended;
        None where it is to be left out.
    """
    found: list[ObjectFault] = []
    kept: RawObject | None = item
    for fault in OBJECT_FAULTS:
        if kept is not None and fault.there(kept, size):
            found.append(fault)
            kept = kept if fault.mend is None else fault.mend(kept, size)
    return found, kept
