"""A COCO json as it is written, with what our reader would refuse put into findings."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Example, Finding, few, plural
from cascadekit.doctor.raw_set import RawObject, RawPicture, RawSet, finite_box, without

LISTS = ("images", "annotations", "categories")
LEFT_OUT = "left out"


def read_coco(ann_file: str, image_dir: str, role: str) -> RawSet:
    """Read a COCO json without refusing anything.

    Args:
        ann_file: its path.
        image_dir: folder that the `file_name`s are below.
        role: "train" or "val".

    Returns:
        What can be taken over; all the rest is in its findings. A file that is no COCO json gives
        one error and no pictures.
    """
    own = _Findings(ann_file, role)
    data = own.parsed()
    names, parent = own.categories(data["categories"])
    pictures, ambiguous = own.images(data["images"], image_dir)
    by_picture = own.annotations(data["annotations"], pictures, ambiguous, {**names, **parent})
    used = {e.get("category_id") for entries in by_picture.values() for e in entries}
    if parent and used & set(parent):
        names, parent = {**parent, **names}, {}
    if parent:
        own.add(
            "class.parent",
            NOTE,
            f"category 0 {next(iter(parent.values()))!r} only names the group of the others and "
            "has no annotations: our reader leaves it out",
            repair=LEFT_OUT,
        )
    known = {**names, **parent}
    built = tuple(
        _picture(number, image, image_dir, by_picture.get(number, ()), known, ann_file)
        for number, image in pictures.items()
    )
    ids = {name: number for number, name in sorted(names.items(), reverse=True)}
    classes = tuple(dict.fromkeys(name for _, name in sorted(names.items())))
    return RawSet(
        role=role,
        source=ann_file,
        kind="CocoDataset",
        image_dir=image_dir,
        classes=classes,
        pictures=built,
        findings=tuple(own.found),
        category_ids=tuple(ids[name] for name in classes),
        entry=without(data, *LISTS),
    )


class _Findings:
    """Reads the parts of one file and gathers what is wrong with them."""

    def __init__(self, ann_file: str, role: str) -> None:
        self.file, self.role = ann_file, role
        self.found: list[Finding] = []

    def add(self, check: str, severity: str, what: str, **rest: Any) -> None:
        """Note a finding."""
        self.found.append(Finding(check, severity, self.role, what, **rest))

    def parsed(self) -> dict[str, Any]:
        """The json with its three lists; they are empty where there is nothing to read."""
        empty: dict[str, Any] = {key: [] for key in LISTS}
        try:
            data = json.loads(Path(self.file).read_text(encoding="utf-8"))
        except OSError as error:
            self._broken(f"it cannot be opened ({error.strerror})", "Check the path")
            return empty
        except ValueError as error:
            self._broken(f"it is not json ({error})", "Copy or export it again")
            return empty
        if not isinstance(data, dict):
            self._broken(f"it holds a {type(data).__name__}", "Is it a file of results?")
            return empty
        lacking = [key for key in LISTS if not isinstance(data.get(key), list)]
        if lacking:
            has = ", ".join(map(str, data)) or "nothing"
            self._broken(f"it has no list {' and no list '.join(lacking)}, but {has}", "Export it")
        return {**data, **{key: [] for key in lacking}}

    def _broken(self, why: str, fix: str) -> None:
        what = f"{self.file} is no COCO json: {why}"
        self.add("file.unreadable", ERROR, what, fix=fix, examples=(Example(self.file, why),))

    def categories(self, entries: Sequence[Any]) -> tuple[dict[Any, str], dict[Any, str]]:
        """Names by id, and likewise a category 0 that is only the group of the others."""
        names: dict[Any, str] = {}
        for entry in entries:
            if not isinstance(entry, Mapping) or "id" not in entry or "name" not in entry:
                self._entry("class.faulty", f"category without id or name: {str(entry)[:60]}")
            elif entry["id"] in names:
                other = names[entry["id"]]
                self._entry(
                    "class.duplicate_id",
                    f"category id {entry['id']} is given twice, to {other!r} and {entry['name']!r}",
                )
            else:
                names[entry["id"]] = str(entry["name"])
        for name, count in Counter(names.values()).items():
            if count > 1:
                ids = [number for number, own in names.items() if own == name]
                self._entry("class.duplicate_name", f"categories {ids} share the name {name!r}")
        groups = {e.get("supercategory") for e in entries if isinstance(e, Mapping) and e.get("id")}
        parent = {0: names[0]} if 0 in names and groups == {names[0]} else {}
        return {number: name for number, name in names.items() if number not in parent}, parent

    def _entry(self, check: str, what: str) -> None:
        fix = "Give every category an id and a name of its own"
        repair = "merged under one id" if check == "class.duplicate_name" else LEFT_OUT
        self.add(check, ERROR, what, fix=fix, repair=repair, examples=(Example(self.file),))

    def images(
        self, entries: Sequence[Any], image_dir: str
    ) -> tuple[dict[Any, Mapping[str, Any]], set[Any]]:
        """Entries by id, and the ids that stand for several files: those are left out."""
        by_id: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        faulty = []
        for entry in entries:
            if isinstance(entry, Mapping) and "id" in entry and "file_name" in entry:
                by_id[entry["id"]].append(entry)
            else:
                faulty.append(Example(self.file, f"no id or file_name: {str(entry)[:60]}"))
        self._many("image.faulty", "image without id or file_name", faulty, "Export it again")
        twice = {number: own for number, own in by_id.items() if len(own) > 1}
        ambiguous = {n for n, own in twice.items() if len({e["file_name"] for e in own}) > 1}
        for check, what, chosen, fix in (
            (
                "image.duplicate_id",
                "image id stands for several files: whose the annotations are cannot be told",
                ambiguous,
                "Give every picture an id of its own, where the file was made",
            ),
            (
                "image.repeated",
                "image is listed twice with the same id and file",
                set(twice) - ambiguous,
                "Leave one of the entries out",
            ),
        ):
            examples = [
                Example(os.path.join(image_dir, str(e["file_name"])), f"image id {number}")
                for number in chosen
                for e in twice[number]
            ]
            repair = LEFT_OUT if chosen is ambiguous else "merged"
            self._many(check, what, examples, fix, repair, len(chosen))
        single = {n: own[0] for n, own in by_id.items() if n not in ambiguous}
        return single, ambiguous

    def _many(
        self,
        check: str,
        what: str,
        examples: Sequence[Example],
        fix: str,
        repair: str = LEFT_OUT,
        count: int | None = None,
    ) -> None:
        """An error about entries of the file, if there are any."""
        count = len(examples) if count is None else count
        if count:
            noun, _, rest = what.partition(" ")
            text = f"{count} {noun}{'' if count == 1 else 's'} {rest}"
            self.add(
                check, ERROR, text, fix=fix, count=count, examples=few(examples), repair=repair
            )

    def annotations(
        self,
        entries: Sequence[Any],
        pictures: Mapping[Any, Any],
        ambiguous: set[Any],
        names: Mapping[Any, str],
    ) -> dict[Any, list[Mapping[str, Any]]]:
        """Entries by picture; those of no picture, or of no known class, are left out."""
        kept: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        faulty, orphans, strangers, ids = [], [], [], []
        for position, entry in enumerate(entries):
            key = _key(entry, position)
            if not isinstance(entry, Mapping):
                faulty.append(Example(self.file, f"{key}: {str(entry)[:60]}"))
                continue
            ids.append(entry.get("id"))
            image, category = entry.get("image_id"), entry.get("category_id")
            if _hashable(image) and image in ambiguous:
                continue
            if not _hashable(image) or image not in pictures:
                orphans.append(Example(self.file, f"{key}: image_id {image!r}"))
            elif not _hashable(category) or category not in names:
                strangers.append(Example(self.file, f"{key}: category_id {category!r}"))
            else:
                kept[image].append({**entry, "_key": key})
        again = "Export again with all pictures and categories, or leave these annotations out"
        self._many("annotation.faulty", "annotation that is no dict", faulty, again)
        self._many("annotation.no_image", "annotation of a picture not listed", orphans, again)
        self._many("annotation.no_class", "annotation of a class not listed", strangers, again)
        self._duplicate_ids(ids)
        return kept

    def _duplicate_ids(self, ids: Iterable[Any]) -> None:
        counts = Counter(number for number in ids if _hashable(number) and number is not None)
        twice = [number for number, count in counts.items() if count > 1]
        if twice:
            what = plural(len(twice), "annotation id is", "annotation ids are") + (
                " given more than once: pycocotools' loadAnns sees the last one only"
            )
            self.add(
                "annotation.duplicate_id",
                WARNING,
                what,
                fix="Number the annotations 1, 2, 3, ...; our reader does not need the ids",
                count=len(twice),
                examples=few(Example(self.file, f"annotation id {n!r}") for n in twice),
                repair="numbered anew",
            )


def _hashable(value: Any) -> bool:
    return isinstance(value, str | int | float) or value is None


def _key(entry: Any, position: int) -> str:
    if isinstance(entry, Mapping) and "id" in entry:
        return f"annotation {entry['id']}"
    return f"annotations[{position}]"


def _picture(
    number: Any,
    image: Mapping[str, Any],
    image_dir: str,
    entries: Sequence[Mapping[str, Any]],
    names: Mapping[Any, str],
    ann_file: str,
) -> RawPicture:
    name = str(image["file_name"])
    sides = (image.get("width"), image.get("height"))
    whole = all(isinstance(v, int | float) and v > 0 for v in sides)
    return RawPicture(
        key=number,
        path=os.path.join(image_dir, name),
        name=name.replace(os.sep, "/"),
        size=(int(sides[0]), int(sides[1])) if whole else (0, 0),  # type: ignore[arg-type]
        objects=tuple(_object(entry, names) for entry in entries),
        source=ann_file,
        entry=without(image, "id", "file_name", "width", "height"),
    )


def _object(entry: Mapping[str, Any], names: Mapping[Any, str]) -> RawObject:
    box = finite_box(entry.get("bbox"))
    if box is not None:
        x, y, w, h = box
        box = (x, y, x + w, y + h)
    area = entry.get("area")
    return RawObject(
        key=entry["_key"],
        label=names[entry["category_id"]],
        box=box,
        segmentation=entry.get("segmentation"),
        region=bool(entry.get("iscrowd") or entry.get("ignore")),
        area=float(area) if isinstance(area, int | float) else None,
        entry=without(entry, "_key", "image_id", "category_id", "bbox", "segmentation", "area"),
    )
