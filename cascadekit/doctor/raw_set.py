"""Annotations as they are written, before a reader refuses or repairs them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cascadekit.doctor.finding import Box, Example, Finding


@dataclass(frozen=True, slots=True)  # there may be a million of them
class RawObject:
    """One annotated object.

    Attributes:
        key: what to call it: "annotation 17", "object 2".
        label: its class; None where it has none or one that is not known.
        box: x1, y1, x2, y2 in pixels of the file, as the reader takes the numbers; not clipped,
            perhaps empty; None where there are not four finite numbers.
        segmentation: as written: polygons, RLE, None, or anything else.
        region: it is to be ignored (crowd, ignore, difficult).
        area: as written, square pixels; None where it is not.
        entry: the other keys of its COCO annotation, for the cleaned copy.
    """

    key: str
    label: str | None
    box: Box | None
    segmentation: Any = None
    region: bool = False
    area: float | None = None
    entry: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawPicture:
    """One annotated picture.

    Attributes:
        key: its id.
        path: of the file, whether it is there or not.
        name: the path below the folder of pictures, with slashes.
        size: (width, height) that the annotations say; (0, 0) where they do not.
        objects: may be empty.
        source: file that the annotations are in.
        entry: the other keys of its COCO image.
    """

    key: int | str
    path: str
    name: str
    size: tuple[int, int]
    objects: tuple[RawObject, ...]
    source: str
    entry: Mapping[str, Any] = field(default_factory=dict)

    def example(self, *objects: RawObject, what: str = "") -> Example:
        """This picture with some objects of it."""
        boxes = tuple(o.box for o in objects if o.box is not None)
        named = " and ".join(o.key for o in objects)
        return Example(self.path, f"{named}: {what}" if named and what else named or what, boxes)


@dataclass(frozen=True)
class RawSet:
    """One split of a data set.

    Attributes:
        role: "train" or "val".
        source: what messages call it.
        kind: the reader, as "CocoDataset".
        image_dir: folder that the names of the pictures are below.
        classes: K names in label order, as the reader has them.
        pictures: may be empty.
        findings: what could not be taken over from the file.
        category_ids: K ids for the cleaned copy.
        entry: the other keys of the COCO json (info, licenses).
        wanted: the classes that the config chooses, in label order; () for all.
    """

    role: str
    source: str
    kind: str
    image_dir: str
    classes: tuple[str, ...]
    pictures: tuple[RawPicture, ...]
    findings: tuple[Finding, ...] = ()
    category_ids: tuple[int, ...] = ()
    entry: Mapping[str, Any] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names in the order of the labels that training sees."""
        return self.wanted or self.classes

    def finding(self, check: str, severity: str, what: str, **rest: Any) -> Finding:
        """A finding about this set; `rest` are the other attributes of `Finding`."""
        return Finding(check, severity, self.role, what, **rest)


def finite_box(numbers: Any) -> Box | None:
    """Four finite numbers as a tuple; None if it is anything else."""
    if not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) != 4:
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
        return None
    a, b, c, d = map(float, numbers)
    return (a, b, c, d) if math.isfinite(a + b + c + d) else None


def without(entry: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A mapping without some keys."""
    return {key: value for key, value in entry.items() if key not in keys}
