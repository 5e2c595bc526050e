"""A folder of VOC xml as it is written, with what our reader would refuse put into findings."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cascadekit.datasets.folders import SUFFIXES, Paths, each_path, read_stems
from cascadekit.doctor.finding import ERROR, NOTE, Example, Finding, few, plural
from cascadekit.doctor.raw_set import RawObject, RawPicture, RawSet, finite_box
from cascadekit.errors import InputError

LEFT_OUT = "left out"


@dataclass
class _Met:
    """What was met on the way through the files."""

    broken: list[Example] = field(default_factory=list)
    listed: list[Example] = field(default_factory=list)
    no_picture: list[Example] = field(default_factory=list)
    no_name: list[Example] = field(default_factory=list)
    no_size: list[Example] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def read_voc(config: Mapping[str, Any], role: str) -> RawSet:
    """Read the xml files of a `VOCDataset` without refusing anything.

    Args:
        config: of the data set.
        role: "train" or "val".

    Returns:
        What can be taken over; all the rest is in its findings. Masks are not read.
    """
    images = each_path(config["image_dir"])
    annotations = _parts(config.get("ann_dir"), images)
    splits = _parts(config.get("split_file"), [None] * len(images))
    met, pictures = _Met(), []
    root = os.path.commonpath([os.path.abspath(folder) for folder in images])
    for folder, ann_dir, split in zip(images, annotations, splits, strict=True):
        names = _names_in(folder)
        for file in _files(str(ann_dir), split, met):
            picture = _picture(file, folder, names, root, config.get("one_based", True), met)
            pictures += [] if picture is None else [picture]
        _names_of_all(str(ann_dir), met)
    classes = tuple(sorted(met.names))
    return RawSet(
        role=role,
        source=", ".join(str(s or a) for s, a in zip(splits, annotations, strict=True)),
        kind="VOCDataset",
        image_dir=root,
        classes=classes,
        pictures=tuple(pictures),
        findings=tuple(_findings(met, role)),
        category_ids=tuple(range(1, len(classes) + 1)),
    )


def _parts(paths: Paths | None, fallback: list[Any]) -> list[Any]:
    return fallback if paths is None else each_path(paths)


def _names_in(folder: str) -> dict[str, str]:
    """Names of pictures by their lower-case form; {} where there is no folder."""
    place = Path(folder)
    return {name.lower(): name for name in sorted(os.listdir(place))} if place.is_dir() else {}


def _files(ann_dir: str, split: str | None, met: _Met) -> list[Path]:
    """The xml files of one part."""
    folder = Path(ann_dir)
    if split is None:
        files = sorted(folder.glob("*.xml")) if folder.is_dir() else []
        if not files:
            met.broken.append(Example(ann_dir, "a folder without xml files"))
        return files
    try:
        stems = read_stems(split)
    except InputError as error:
        met.broken.append(Example(str(split), str(error)))
        return []
    files = [folder / f"{stem}.xml" for stem in stems]
    met.listed += [Example(str(f), f"{split} lists it") for f in files if not f.is_file()]
    return [file for file in files if file.is_file()]


def _names_of_all(ann_dir: str, met: _Met) -> None:
    """Class names of all xml files of a folder: the reader takes those outside a split too."""
    for file in Path(ann_dir).glob("*.xml"):
        root = _parsed(file)
        for item in () if root is None else root.iter("object"):
            if name := (item.findtext("name") or "").strip():
                met.names.add(name)


def _parsed(file: Path) -> ElementTree.Element | None:
    try:
        return ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError, OSError):
        return None


def _picture(
    file: Path, folder: str, names: Mapping[str, str], root: str, one_based: bool, met: _Met
) -> RawPicture | None:
    """What one xml says; None where it is no xml, or its picture cannot be named."""
    tree = _parsed(file)
    if tree is None:
        met.broken.append(Example(str(file), "not valid xml"))
        return None
    tag = os.path.basename((tree.findtext("filename") or "").strip().replace("\\", "/"))
    wanted = (*(file.stem + suffix for suffix in SUFFIXES), tag)
    own = next((names[name.lower()] for name in wanted if name.lower() in names), None)
    if own is None:
        met.no_picture.append(Example(str(file), f"no {file.stem}.* and no {tag!r} in {folder}"))
        return None
    path = Path(folder) / own
    size = _size(tree)
    if size == (0, 0):
        met.no_size.append(Example(str(path), "no size, or 0 x 0"))
    objects = []
    for number, item in enumerate(tree.iter("object"), 1):
        made = _object(item, number, one_based)
        if made.label is None:
            met.no_name.append(Example(str(path), f"{made.key} has no name", _boxes(made)))
        objects.append(made)
    return RawPicture(
        key=file.stem,
        path=str(path),
        name=os.path.relpath(path, root).replace(os.sep, "/"),
        size=size,
        objects=tuple(o for o in objects if o.label is not None),
        source=str(file),
    )


def _boxes(made: RawObject) -> tuple[Any, ...]:
    return () if made.box is None else (made.box,)


def _size(tree: ElementTree.Element) -> tuple[int, int]:
    try:
        width, height = (int(float(tree.findtext(f"size/{t}") or 0)) for t in ("width", "height"))
    except ValueError:
        return (0, 0)
    return (width, height) if width > 0 and height > 0 else (0, 0)


def _object(item: ElementTree.Element, number: int, one_based: bool) -> RawObject:
    texts = [item.findtext(f"bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax")]
    try:
        box = finite_box([float(text or "") for text in texts])
    except ValueError:
        box = None
    # As the reader: a box without extent is one before the shift, which would give it a pixel.
    if box is not None and one_based and box[2] > box[0] and box[3] > box[1]:
        box = (box[0] - 1, box[1] - 1, box[2], box[3])
    word = (item.findtext("difficult") or "0").strip().lower()
    difficult = word not in ("0", "", "false", "no", "unspecified")
    return RawObject(
        key=f"object {number}",
        label=(item.findtext("name") or "").strip() or None,
        box=box,
        region=difficult,
        entry={"iscrowd": 0, "ignore": int(difficult)},
    )


def _findings(met: _Met, role: str) -> list[Finding]:
    found = []
    for check, severity, examples, what, fix in (
        (
            "file.unreadable",
            ERROR,
            met.broken,
            "annotation file or folder cannot be read",
            "Repair or remove it: our reader stops there",
        ),
        (
            "file.missing",
            ERROR,
            met.listed,
            "xml of the split file is missing",
            "Copy the files, or take the lines out of the split file",
        ),
        (
            "picture.missing",
            ERROR,
            met.no_picture,
            "xml has no picture",
            "Copy the pictures, or take the xml files away",
        ),
        (
            "annotation.no_class",
            ERROR,
            met.no_name,
            "object has no class name",
            "Name them: our reader stops there",
        ),
        (
            "file.no_size",
            NOTE,
            met.no_size,
            "xml has no size of its picture, or 0 x 0",
            "Nothing: the size is read from the picture",
        ),
    ):
        if examples:
            count = len(examples)
            noun, _, rest = what.partition(" ")
            text = plural(count, noun, noun if noun == "xml" else noun + "s")
            repair = "read from the picture" if check == "file.no_size" else LEFT_OUT
            found.append(
                Finding(check, severity, role, f"{text}: {rest}", fix, count, few(examples), repair)
            )
    return found
