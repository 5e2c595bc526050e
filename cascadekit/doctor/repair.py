"""A cleaned copy of a split as COCO json; what it was made from is never touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cascadekit.doctor.annotations import Sizes, duplicate_objects, size_of
from cascadekit.doctor.object_faults import Size, faults_of
from cascadekit.doctor.pictures import PictureState
from cascadekit.doctor.raw_set import RawObject, RawPicture, RawSet

DIGITS = 6


@dataclass(frozen=True)
class Cleaned:
    """A cleaned split.

    Attributes:
        data: the COCO dict.
        changes: (name of the check, how often, what was done), in the order of the findings.
        image_dir: folder that its `file_name`s are below.
    """

    data: dict[str, Any]
    changes: tuple[tuple[str, int, str], ...]
    image_dir: str


def cleaned(own: RawSet, states: Mapping[str, PictureState]) -> Cleaned:
    """Make the cleaned copy.

    Pictures that cannot be read, and objects that our reader would drop, are left out; boxes are
    cut at the border; what only a person can tell stays as it is. Pictures and annotations keep
    their ids, unless these are no whole numbers or are given twice.

    Args:
        own: the split.
        states: of its files; pictures without one are taken for sound.

    Returns:
        The copy, and what was changed.
    """
    done: Counter[tuple[str, str]] = Counter()
    for finding in own.findings:
        if finding.repair:
            done[finding.check, finding.repair] += finding.count
    sizes = {path: state.size for path, state in states.items()}
    pictures = []
    for picture in _merged(own, done):
        fault = states[picture.path].fault if picture.path in states else ""
        if fault:
            done[f"picture.{fault}", "left out"] += 1
        else:
            pictures.append(replace(picture, objects=tuple(_mended(picture, sizes, done))))
    data = _coco(own, pictures, sizes)
    changes = tuple((check, count, how) for (check, how), count in done.items())
    return Cleaned(data, changes, own.image_dir)


Done = Counter[tuple[str, str]]


def _merged(own: RawSet, done: Done) -> list[RawPicture]:
    """Pictures, one for each file."""
    by_path: dict[str, RawPicture] = {}
    for picture in own.pictures:
        first = by_path.get(picture.path)
        if first is None:
            by_path[picture.path] = picture
            continue
        done["picture.listed_twice", "merged"] += 1
        by_path[picture.path] = replace(first, objects=(*first.objects, *picture.objects))
    return list(by_path.values())


def _mended(picture: RawPicture, sizes: Sizes, done: Done) -> Iterator[RawObject]:
    size = size_of(picture, sizes)
    mended = []
    for item in picture.objects:
        kept = _without_faults(item, size, done)
        if kept is not None:
            mended.append(kept)
    repeated, _ = duplicate_objects(replace(picture, objects=tuple(mended)))
    left = {id(item) for item in repeated}
    if left:
        done["object.duplicate", "the later one left out"] += len(left)
    yield from (item for item in mended if id(item) not in left)


def _without_faults(item: RawObject, size: Size, done: Done) -> RawObject | None:
    """The object after every fault that can be mended was; None to leave it out."""
    found, kept = faults_of(item, size)
    for fault in found:
        if fault.mend is not None:
            done[fault.check, fault.repair] += 1
    return kept


def _coco(own: RawSet, pictures: list[RawPicture], sizes: Sizes) -> dict[str, Any]:
    """The COCO dict of mended pictures."""
    ids = dict(zip(own.classes, own.category_ids, strict=True))
    keys = [picture.key for picture in pictures]
    whole = all(isinstance(key, int) and not isinstance(key, bool) for key in keys)
    images, annotations = [], []
    for position, picture in enumerate(pictures, 1):
        number = picture.key if whole else position
        images.append(_image(picture, number, size_of(picture, sizes)))
        for item in picture.objects:
            if item.label in ids and item.box is not None:
                annotations.append({"image_id": number, **_annotation(item, ids[item.label])})
    old = [entry.get("id") for entry in annotations]
    if len(set(old)) < len(old) or not all(isinstance(number, int) for number in old):
        annotations = [{**entry, "id": k} for k, entry in enumerate(annotations, 1)]
    return {
        **own.entry,
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }


def _image(picture: RawPicture, number: Any, size: Size) -> dict[str, Any]:
    entry = {"id": number, "file_name": picture.name, "width": size[0], "height": size[1]}
    named = {} if number == picture.key else {"name": picture.key}
    return {**picture.entry, **entry, **named}


def _annotation(item: RawObject, category: int) -> dict[str, Any]:
    assert item.box is not None
    x1, y1, x2, y2 = item.box
    wide, high = x2 - x1, y2 - y1
    entry = {
        **item.entry,
        "category_id": category,
        "bbox": [round(v, DIGITS) for v in (x1, y1, wide, high)],
        "area": round(wide * high if item.area is None else item.area, DIGITS),
    }
    entry.setdefault("iscrowd", 0)
    return entry if item.segmentation is None else {**entry, "segmentation": item.segmentation}
