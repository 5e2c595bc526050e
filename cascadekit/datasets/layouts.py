"""Recognise a data set by its files: its reader, where its parts lie, and what splits it has.

A finder looks at one folder for the files of one format and gives the splits it found, each as the
config of a data set; `find_layout` asks all of them and refuses to guess where several answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascadekit.datasets.label_png import read_index
from cascadekit.datasets.mat_files import read_mat
from cascadekit.errors import InputError, did_you_mean

Splits = dict[str, dict[str, Any]]
ALL = "all"  # name of the split that is everything
LISTS = ("train", "val", "trainval", "test")
TRAIN_NAMES = ("train",)
VAL_NAMES = ("val", "valid", "validation", "test")
HEAD = 65536  # bytes of a json that are looked at


@dataclass(frozen=True)
class Layout:
    """A data set that was recognised.

    Attributes:
        kind: key of `FORMATS`.
        found: what was recognised, for people: "KITTI object (image_2, label_2)".
        splits: name -> config of a data set (`type` and its sources); "all" is everything.
    """

    kind: str
    found: str
    splits: Mapping[str, Mapping[str, Any]]

    def choose(self, role: str) -> str | None:
        """The split for "train" or "val"; None where it is not plain which one."""
        names = [name for name in self.splits if name != ALL]
        if not names:
            return ALL
        if role == "train":
            validated = any(name in names for name in VAL_NAMES[:-1])
            order = ("train", "trainval") if validated else ("trainval", "train")
        else:
            order = VAL_NAMES
        for name in order:
            if name in names:
                return name
        near = [n for n in names if role in n and (role == "train" or "train" not in n)]
        return near[0] if len(near) == 1 else None


def find_layout(path: str, kind: str | None = None) -> Layout:
    """Recognise what lies at a path.

    Args:
        path: an annotation file or a folder.
        kind: key of `FORMATS`: look for this one only.

    Returns:
        The only layout that fits.

    Raises:
        InputError: nothing there, nothing recognised, or several layouts fit; the message says
            what is there and how to choose.
    """
    place = Path(path)
    if kind is not None and kind not in FORMATS:
        raise InputError(f"no format {kind!r}: choose of {', '.join(FORMATS)}.{_near(kind)}")
    if not place.exists():
        raise InputError(f"no such file or folder: {path!r} (looked for {place.absolute()})")
    if place.is_file():
        return _of_file(place, kind)
    found = _layouts(place, kind) or _split_folders(place, kind)
    if len(found) == 1:
        return found[0]
    if found:
        which = "; ".join(f"{layout.found}: {layout.kind}:{path}" for layout in found)
        raise InputError(f"{path} can be read in {len(found)} ways, choose one: {which}")
    raise InputError(_nothing(place, kind))


def _near(kind: str) -> str:
    return did_you_mean(kind, FORMATS)


def _layouts(folder: Path, kind: str | None) -> list[Layout]:
    found = []
    for name, finder in FORMATS.items():
        if kind in (None, name):
            words, splits = finder(folder)
            if splits:
                found.append(Layout(name, words, splits))
    return found


def _split_folders(folder: Path, kind: str | None) -> list[Layout]:
    """A layout whose train and validation parts lie in folders of those names, if there is one."""
    parts: dict[str, list[Layout]] = {}
    for name in (*TRAIN_NAMES, *VAL_NAMES):
        if (folder / name).is_dir():
            parts[name] = [one for one in _layouts(folder / name, kind) if ALL in one.splits]
    kinds = {layout.kind for layouts in parts.values() for layout in layouts}
    found = []
    for name in FORMATS:
        if name in kinds:
            chosen = {n: one for n, many in parts.items() for one in many if one.kind == name}
            words = f"{next(iter(chosen.values())).found} in {', '.join(chosen)}"
            splits = {n: one.splits[ALL] for n, one in chosen.items()}
            found.append(Layout(name, words, splits))
    return found


def _nothing(folder: Path, kind: str | None) -> str:
    inside = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir())
    below = [(p, _layouts(p, kind)) for p in sorted(folder.iterdir()) if p.is_dir()]
    hints = [f"{p} ({', '.join(one.found for one in many)})" for p, many in below if many]
    yolo = any((folder / "labels").glob("*.txt"))
    return (
        f"{folder} has no data in a format known here"
        + (f" as {kind}" if kind else "")
        + f" (it has: {', '.join(inside[:8]) or 'nothing'}). Expected one of: a COCO json beside "
        "the pictures; VOC xml files, or Annotations/ and JPEGImages/; image_2/ and label_2/ "
        "(KITTI); leftImg8bit/ with annotations/anno_train.mat or gtBboxCityPersons/; "
        "wider_face_split/ and WIDER_train/; images/ and labels/ with label pictures."
        + (f" Did you mean {' or '.join(hints[:4])}?" if hints else "")
        + (" YOLO's .txt labels are not read: export as COCO json." if yolo else "")
    )


# One file


def _of_file(file: Path, kind: str | None) -> Layout:
    own = _kind_of_file(file) if kind is None else kind
    if own == "coco":
        config = {"ann_file": str(file), "image_dir": str(file.parent)}
        return Layout(own, "a COCO json", {ALL: {"type": "cascadekit.CocoDataset", **config}})
    split = "train" if "train" in file.stem else "val"
    if own == "citypersons":
        pictures = _first_dir([p / "leftImg8bit" / split for p in file.parents[:3]], file.parent)
        config = {"image_dir": pictures, "ann_file": str(file)}
        splits = {ALL: {"type": "cascadekit.CityPersonsDataset", **config}}
        return Layout(own, "an annotation file of CityPersons", splits)
    if own == "widerface":
        roots = [p / f"WIDER_{split}" / "images" for p in file.parents[:2]]
        splits = {ALL: _wider_config(file, _first_dir(roots, file.parent), split)}
        return Layout(own, "an annotation file of WiderFace", splits)
    raise InputError(
        f"{file} is a file, but {own} is a folder"
        if own
        else f"{file} is no annotation file known here: expected a COCO json, val_gt.json or "
        "anno_*.mat of CityPersons, wider_face_*_bbx_gt.txt or .mat, or a folder"
    )


def _kind_of_file(file: Path) -> str | None:
    if file.suffix == ".json":
        with file.open("rb") as opened:
            head = opened.read(HEAD)
        own = b'"im_name"' in head or b'"vis_ratio"' in head
        return "citypersons" if own and b'"file_name"' not in head else "coco"
    if file.suffix == ".mat":
        names = read_mat(file)
        if "face_bbx_list" in names:
            return "widerface"
        return "citypersons" if any(name.startswith("anno") for name in names) else None
    return "widerface" if file.suffix == ".txt" and file.stem.startswith("wider") else None


def _first_dir(folders: Sequence[Path], fallback: Path) -> str:
    return str(next((folder for folder in folders if folder.is_dir()), fallback))


# Folders: a finder gives what it saw, in words, and the splits; {} where it saw nothing


def _coco(folder: Path) -> tuple[str, Splits]:
    files = sorted(p for p in folder.glob("*.json") if _is_coco(p))
    if len(files) == 1:
        return f"a COCO json ({files[0].name})", {ALL: _coco_config(files[0], folder)}
    if files:
        return "COCO json files", {p.stem: _coco_config(p, folder) for p in files}
    splits = {}
    for file in sorted((folder / "annotations").glob("instances_*.json")):
        name = file.stem.removeprefix("instances_")
        splits[name] = _coco_config(file, folder / name)
    return "COCO (annotations/instances_*.json)", splits


def _is_coco(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    known = any(word in head for word in (b'"images"', b'"annotations"', b'"categories"'))
    return known and file.name != "index.json" and b'"im_name"' not in head


def _coco_config(file: Path, pictures: Path) -> dict[str, Any]:
    near = [pictures, file.parent / "images"]
    if file.parent == pictures and not any(
        p.suffix in (".jpg", ".png") for p in pictures.iterdir()
    ):
        near.reverse()
    place = _first_dir(near, pictures)
    return {"type": "cascadekit.CocoDataset", "ann_file": str(file), "image_dir": place}


def _voc(folder: Path) -> tuple[str, Splits]:
    if (folder / "Annotations").is_dir():
        common = {
            "type": "cascadekit.VOCDataset",
            "image_dir": str(folder / "JPEGImages"),
            "ann_dir": str(folder / "Annotations"),
        }
        splits = {ALL: common}
        for name, file in _lists([folder / "ImageSets" / "Main"], folder / "Annotations").items():
            splits[name] = {**common, "split_file": str(file)}
        masks = folder / "SegmentationObject"
        if masks.is_dir():
            lists = _lists([folder / "ImageSets" / "Segmentation"], folder / "Annotations")
            for name, file in lists.items():
                more = {"split_file": str(file), "mask_dir": str(masks)}
                splits[f"segmentation-{name}"] = {**common, **more}
        return "PASCAL VOC (Annotations, JPEGImages)", splits
    if any(folder.glob("*.xml")):
        return "VOC xml files", {ALL: {"type": "cascadekit.VOCDataset", "image_dir": str(folder)}}
    return "", {}


def _lists(folders: Sequence[Path], annotations: Path) -> dict[str, Path]:
    """Split files by name, from the first folder that has each.

    Those whose pictures have no annotations, as of a test set, are left out.
    """
    stems = {file.stem for file in annotations.iterdir()}
    found: dict[str, Path] = {}
    for name in LISTS:
        for folder in folders:
            file = folder / f"{name}.txt"
            if name not in found and file.is_file():
                words = file.read_text(encoding="utf-8", errors="replace").split(maxsplit=1)
                if words and words[0] in stems:
                    found[name] = file
    return found


def _kitti(folder: Path) -> tuple[str, Splits]:
    return _kitti_parts(folder, "object", "image_2", "label_2")


def _kitti_tracking(folder: Path) -> tuple[str, Splits]:
    return _kitti_parts(folder, "tracking", "image_02", "label_02")


def _kitti_parts(folder: Path, what: str, images: str, labels: str) -> tuple[str, Splits]:
    for base in (folder, folder / "training"):
        if not ((base / images).is_dir() and (base / labels).is_dir()):
            continue
        common = {
            "type": "cascadekit.KittiDataset",
            "image_dir": str(base / images),
            "label_dir": str(base / labels),
        }
        splits = {ALL: common}
        root = base.parent if base.name == "training" else base
        places = [base / "ImageSets", root / "ImageSets", base, root]
        for name, file in _lists(places, base / labels).items():
            splits[name] = {**common, "split_file": str(file)}
        return f"KITTI {what} ({images}, {labels})", splits
    return "", {}


def _citypersons(folder: Path) -> tuple[str, Splits]:
    pictures = [folder / "leftImg8bit", folder / "leftImg8bit_trainvaltest" / "leftImg8bit"]
    root = next((p for p in pictures if p.is_dir()), None)
    if root is None:
        return "", {}
    splits, seen = {}, []
    for name in ("train", "val"):
        places = [
            *(folder / place / f"anno_{name}.mat" for place in ("annotations", "anno", ".")),
            *(folder / place / f"{name}_gt.json" for place in ("annotations", "anno", ".")),
            folder / "gtBboxCityPersons" / name,
        ]
        file = next((p for p in places if p.exists()), None)
        if file is not None and (root / name).is_dir():
            seen.append(file.relative_to(folder).as_posix())
            splits[name] = {
                "type": "cascadekit.CityPersonsDataset",
                "image_dir": str(root / name),
                "ann_file": str(file),
            }
    return f"CityPersons (leftImg8bit, {', '.join(seen)})", splits


def _widerface(folder: Path) -> tuple[str, Splits]:
    splits = {}
    for name in ("train", "val"):
        for ending in ("_bbx_gt.txt", ".mat"):
            file = folder / "wider_face_split" / f"wider_face_{name}{ending}"
            if file.is_file() and name not in splits:
                splits[name] = _wider_config(file, str(folder / f"WIDER_{name}" / "images"), name)
    return "WiderFace (wider_face_split, WIDER_*)", splits


def _wider_config(file: Path, pictures: str, split: str) -> dict[str, Any]:
    config = {
        "type": "cascadekit.WiderFaceDataset",
        "image_dir": pictures,
        "ann_file": str(file),
    }
    root = file.parent.parent
    for place in (file.parent, root / "ground_truth", root / "eval_tools" / "ground_truth"):
        if split == "val" and (place / "wider_easy_val.mat").is_file():
            config.setdefault("subset_dir", str(place))
    return config


def _labels(folder: Path) -> tuple[str, Splits]:
    images, labels, index = folder / "images", folder / "labels", folder / "index.json"
    if not (images.is_dir() and any(labels.glob("*.png"))):
        return "", {}
    common = {
        "type": "cascadekit.LabelPNGDataset",
        "image_dir": str(images),
        "label_dir": str(labels),
    }
    if not index.is_file():
        return "label pictures (images, labels)", {ALL: common}
    common["index_file"] = str(index)
    names = sorted({name for name in read_index(index).values() if name is not None})
    splits = {ALL: common, **{name: {**common, "split": name} for name in names}}
    return "label pictures (images, labels, index.json)", splits


FORMATS: Mapping[str, Callable[[Path], tuple[str, Splits]]] = {
    "coco": _coco,
    "voc": _voc,
    "kitti": _kitti,
    "kitti-tracking": _kitti_tracking,
    "citypersons": _citypersons,
    "widerface": _widerface,
    "labels": _labels,
}
