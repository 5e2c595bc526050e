"""The other formats: through their own readers, with the rows that these drop where they tell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cascadekit.datasets.coco_writer import coco_dict, picture_root
from cascadekit.datasets.folders import each_path
from cascadekit.datasets.widerface_files import read_widerface
from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Example, Finding, few, plural
from cascadekit.doctor.raw_set import RawObject, RawPicture, RawSet, without
from cascadekit.errors import InputError
from cascadekit.registry import DATASETS


def read_records(config: Mapping[str, Any], role: str) -> RawSet:
    """Read a data set through its own reader, in test mode so that nothing is left out.

    Args:
        config: of the data set, without a pipeline.
        role: "train" or "val".

    Returns:
        What its reader makes of it. Where it refuses, one error and no pictures.
    """
    kind = str(config["type"]).rsplit(".", 1)[-1]
    own = {**without(config, "pipeline", "min_size", "keep_empty", "indices"), "test_mode": True}
    source = str(config.get("ann_file") or config.get("label_dir") or kind)
    try:
        dataset = DATASETS.build(own)
        folders = each_path(config["image_dir"]) if config.get("image_dir") else _folders(dataset)
        root = picture_root(folders)
        data = coco_dict(dataset, root)
    except InputError as error:
        refused = Finding(
            "file.unreadable",
            ERROR,
            role,
            f"the reader refuses {source}: {error}",
            "See the message",
            examples=(Example(source),),
        )
        return RawSet(role, source, kind, str(config.get("image_dir", "")), (), (), (refused,))
    names = {entry["id"]: entry["name"] for entry in data["categories"]}
    by_picture: dict[int, list[RawObject]] = {}
    for entry in data["annotations"]:
        by_picture.setdefault(entry["image_id"], []).append(_object(entry, names))
    pictures = tuple(
        _picture(image, by_picture.get(image["id"], ()), root, source) for image in data["images"]
    )
    pictures, findings = _dropped(kind, config, role, dataset, pictures)
    return RawSet(
        role=role,
        source=source,
        kind=kind,
        image_dir=root,
        classes=tuple(names.values()),
        pictures=pictures,
        findings=findings,
        category_ids=tuple(names),
    )


def _folders(dataset: Any) -> list[str]:
    """Folders of the pictures of a data set that makes them itself."""
    paths = {os.path.dirname(dataset.get_data_info(i)["img_path"]) for i in range(len(dataset))}
    return sorted(paths)


def _picture(
    image: Mapping[str, Any], objects: Sequence[RawObject], root: str, source: str
) -> RawPicture:
    return RawPicture(
        key=image.get("name", image["id"]),
        path=os.path.join(root, image["file_name"]),
        name=image["file_name"],
        size=(image["width"], image["height"]),
        objects=tuple(objects),
        source=source,
        entry=without(image, "id", "file_name", "width", "height"),
    )


def _object(entry: Mapping[str, Any], names: Mapping[int, str]) -> RawObject:
    x, y, w, h = entry["bbox"]
    return RawObject(
        key=f"object {entry.get('instance_id', entry['id'])}",
        label=names[entry["category_id"]],
        box=(x, y, x + w, y + h),
        segmentation=entry.get("segmentation"),
        region=bool(entry["iscrowd"] or entry["ignore"]),
        area=entry["area"],
        entry=without(entry, "image_id", "category_id", "bbox", "segmentation", "area"),
    )


def _dropped(
    kind: str,
    config: Mapping[str, Any],
    role: str,
    dataset: Any,
    pictures: tuple[RawPicture, ...],
) -> tuple[tuple[RawPicture, ...], tuple[Finding, ...]]:
    """What the reader left out or cut: WiderFace's rows one by one, else as it counted them."""
    if kind == "WiderFaceDataset":
        return _faces(config, role, pictures)
    tally, found = dataset.tally, []
    if tally.empty:
        text = plural(tally.empty, "box", "boxes") + " without area, or outside of the picture"
        fix = "Nothing: the reader leaves them out"
        found.append(Finding("box.empty", WARNING, role, text, fix, tally.empty, repair="left out"))
    if tally.clipped:
        text = plural(tally.clipped, "box reaches", "boxes reach") + " out of the picture"
        fix = "Nothing: the reader cuts them at the border"
        cut = "cut at the border"
        found.append(Finding("box.outside", WARNING, role, text, fix, tally.clipped, repair=cut))
    return pictures, tuple(found)


def _faces(
    config: Mapping[str, Any], role: str, pictures: tuple[RawPicture, ...]
) -> tuple[tuple[RawPicture, ...], tuple[Finding, ...]]:
    """WiderFace's pictures with all rows that are written, but for the dummy rows."""
    rows = {own.name: own for own in read_widerface(config["ann_file"])}
    dummies, made = [], []
    for picture in pictures:
        own = rows[str(Path(picture.name).with_suffix("").as_posix())]
        if own.is_dummy.any():
            dummies.append(Example(picture.path, "a row 0 0 0 0"))
        seen = {o.box for o in picture.objects}
        lost = [
            RawObject(f"row {k + 1}", "face", (x, y, x + w, y + h))
            for k, (x, y, w, h) in enumerate(own.boxes_xywh.tolist())
            if not own.is_dummy[k] and (w <= 0 or h <= 0) and (x, y, x + w, y + h) not in seen
        ]
        made.append(
            RawPicture(
                picture.key,
                picture.path,
                picture.name,
                picture.size,
                (*picture.objects, *lost),
                picture.source,
                picture.entry,
            )
        )
    if not dummies:
        return tuple(made), ()
    text = plural(len(dummies), "picture has", "pictures have") + " the row 0 0 0 0 for no face"
    fix = "Nothing: no face is made of it, and detections there count as false"
    note = Finding(
        "annotation.dummy", NOTE, role, text, fix, len(dummies), few(dummies), "left out"
    )
    return tuple(made), (note,)
