"""Small data sets in each real format, written to a folder; easy to work out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def picture(path, width=100, height=50):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)
    return path


def text(path, *lines):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


# KITTI

SPACE = "1.5 1.6 3.9 1.0 1.7 13.2 -1.6"  # a box in space, which nothing here reads
CAR = f"Car 0.00 0 -1.57 10.00 10.00 60.00 40.00 {SPACE}"
WALKER = f"Pedestrian 0.30 1 0.20 70.50 5.25 80.50 45.25 {SPACE}"
VAN = f"Van 0.00 2 0.10 62.00 20.00 69.00 30.00 {SPACE}"
SITTER = f"Person_sitting 0.00 0 0.10 85.00 20.00 95.00 45.00 {SPACE}"
TRUCK = f"Truck 0.00 0 0.10 1.00 1.00 9.00 9.00 {SPACE}"
REGION = "DontCare -1 -1 -10 20.00 2.00 30.00 8.00 -1 -1 -1 -1000 -1000 -1000 -10"


def kitti(root, labels=None, splits=None):
    """KITTI object below ROOT/training; `labels`: stem -> rows."""
    root = Path(root)
    rows = {"000000": [CAR, WALKER, VAN, REGION], "000001": [TRUCK], "000002": [SITTER, CAR]}
    for stem, lines in (rows if labels is None else labels).items():
        picture(root / f"training/image_2/{stem}.png")
        text(root / f"training/label_2/{stem}.txt", *lines)
    for name, stems in (splits or {}).items():
        text(root / f"ImageSets/{name}.txt", *stems)
    return root


def kitti_tracking(root):
    """One sequence of three frames, the middle one without objects."""
    root = Path(root)
    for frame in range(3):
        picture(root / f"training/image_02/0004/{frame:06d}.png")
    person = SITTER.replace("Person_sitting 0.00", "Person 1")  # tracking has its own words
    rows = [f"0 7 {CAR}", f"0 -1 {REGION}", f"2 7 {CAR}", f"2 8 {person}"]
    text(root / "training/label_02/0004.txt", *rows)
    return root


# CityPersons: label, full box, instance, visible box

PERSONS = {
    "aachen_000000_000019": [
        [1, 10, 5, 20, 40, 24000, 10, 5, 20, 30],  # three quarters are visible
        [2, 40, 10, 10, 20, 24001, 40, 10, 10, 20],
        [0, 60, 0, 30, 10, 0, 60, 0, 30, 10],
    ],
    "ulm_000001_000019": [],
    "ulm_000002_000019": [
        [3, 5, 5, 10, 20, 25000, 5, 5, 10, 10],
        [5, 50, 10, 40, 30, 0, 50, 10, 40, 30],
    ],
}
LABEL_WORDS = ("ignore", "pedestrian", "rider", "sitting person", "person (other)", "person group")


def city_pictures(root, split="train", persons=None):
    for stem in PERSONS if persons is None else persons:
        city = stem.split("_")[0]
        picture(Path(root) / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png")


def city_mat(file, persons=None, name="anno_train_aligned"):
    """As MATLAB writes it: a row of cells, each with one struct."""
    from scipy.io import savemat

    persons = PERSONS if persons is None else persons
    cells = np.empty((1, len(persons)), object)
    for k, (stem, rows) in enumerate(persons.items()):
        bbs = np.array(rows, np.float64) if rows else np.zeros((0, 0))
        picture_name = f"{stem}_leftImg8bit.png"
        cells[0, k] = {"cityname": stem.split("_")[0], "im_name": picture_name, "bbs": bbs}
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {name: cells})
    return Path(file)


def city_json(file, persons=None):
    """As the benchmark's val_gt.json: all of category 1, all but pedestrians ignored."""
    images, annotations = [], []
    for number, (stem, rows) in enumerate((PERSONS if persons is None else persons).items(), 1):
        name = f"{stem}_leftImg8bit.png"
        images.append({"id": number, "im_name": name, "height": 50, "width": 100})
        for label, x, y, w, h, _, vx, vy, vw, vh in rows:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "ignore": int(label != 1),
                    "bbox": [x, y, w, h],
                    "vis_bbox": [vx, vy, vw, vh],
                    "height": h,
                    "vis_ratio": vw * vh / (w * h),
                }
            )
    categories = [{"id": 1, "name": "pedestrian"}]
    data = {"images": images, "annotations": annotations, "categories": categories}
    return text(file, json.dumps(data))


def city_folder(root, split="train"):
    """As Cityscapes distributes them: a json per picture."""
    for stem, rows in PERSONS.items():
        objects = [
            {"label": LABEL_WORDS[r[0]], "instanceId": r[5], "bbox": r[1:5], "bboxVis": r[6:10]}
            for r in rows
        ]
        data = {"imgHeight": 50, "imgWidth": 100, "objects": objects}
        city = stem.split("_")[0]
        name = f"{city}/{stem}_gtBboxCityPersons.json"
        text(Path(root) / f"gtBboxCityPersons/{split}" / name, json.dumps(data))
    return Path(root) / f"gtBboxCityPersons/{split}"


# WiderFace: x y w h blur expression illumination invalid occlusion pose

FACES = {
    "0--Parade/0_Parade_a_1_849": [
        [10, 5, 20, 25, 0, 0, 0, 0, 0, 0],
        [40, 5, 10, 10, 2, 0, 0, 1, 0, 0],  # invalid
        [60, 5, 0, 8, 2, 0, 0, 0, 2, 0],  # no width
    ],
    "0--Parade/0_Parade_b_1_2": [],
    "1--Handshaking/1_Handshaking_c_1_3": [[1, 2, 3, 4, 1, 0, 1, 0, 0, 1]],
}
DUMMY = [0] * 10
SUBSET_ROWS = {  # rows from 1, as MATLAB counts
    "easy": [[1], [], []],
    "medium": [[1], [], [1]],
    "hard": [[1, 2], [], [1]],
}


def wider_pictures(root, split="val", faces=None):
    for name in FACES if faces is None else faces:
        picture(Path(root) / f"WIDER_{split}/images/{name}.jpg")


def wider_text(file, faces=None, dummy=True):
    lines = []
    for name, rows in (FACES if faces is None else faces).items():
        shown = rows or ([DUMMY] if dummy else [])
        lines += [f"{name}.jpg", len(rows), *(" ".join(map(str, row)) + " " for row in shown)]
    return text(file, *lines)


def _column(items):
    column = np.empty((len(items), 1), object)
    for k, item in enumerate(items):
        column[k, 0] = item
    return column


def _nested(faces, of):
    """A cell per event of a cell per picture of what `of(k, name, rows)` gives."""
    events = {}
    for k, (name, rows) in enumerate(faces.items()):
        events.setdefault(name.split("/")[0], []).append(of(k, name.split("/")[1], rows))
    return _column(list(events)), _column([_column(items) for items in events.values()])


def wider_mat(file, faces=None):
    from scipy.io import savemat

    faces = FACES if faces is None else faces
    events, files = _nested(faces, lambda k, name, rows: name)
    content = {"event_list": events, "file_list": files}
    keys = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
    boxes = _nested(faces, lambda k, n, rows: np.array(rows or [DUMMY], np.float64)[:, :4])[1]
    content["face_bbx_list"] = boxes
    for c, key in enumerate(keys, 4):
        column = _nested(faces, lambda k, n, rows, c=c: np.array(rows or [DUMMY])[:, c : c + 1])[1]
        content[f"{key}_label_list"] = column
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    savemat(file, content)
    return Path(file)


def wider_subsets(folder, rows=SUBSET_ROWS, faces=None):
    from scipy.io import savemat

    faces = FACES if faces is None else faces
    Path(folder).mkdir(parents=True, exist_ok=True)
    for subset, lists in rows.items():
        events, files = _nested(faces, lambda k, name, _: name)

        def indices(k, name, _, lists=lists):
            return np.array(lists[k], np.uint8)[:, None] if lists[k] else np.zeros((0, 0))

        content = {"event_list": events, "file_list": files, "gt_list": _nested(faces, indices)[1]}
        savemat(Path(folder) / f"wider_{subset}_val.mat", content)
    return Path(folder)


# Label pictures


def label_picture(path, labels, dtype=np.uint16):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(labels).astype(dtype)).save(path)
    return path


def cells(height=6, width=8):
    """Object 1 in two pieces, object 500 of one pixel, object 7 at the far corner."""
    labels = np.zeros((height, width), np.uint16)
    labels[1:3, 1:4] = 1
    labels[5, 0] = 1
    labels[0, 6] = 500
    labels[4:6, 5:8] = 7
    return labels


def label_set(root, splits=("train", "train", "val")):
    """Pictures a, b (no object), c, with index.json unless `splits` is None."""
    root = Path(root)
    for stem, labels in (("a", cells()), ("b", np.zeros((6, 8))), ("c", cells())):
        picture(root / f"images/{stem}.png", 8, 6)
        label_picture(root / f"labels/{stem}.png", labels)
    if splits is not None:
        images = [{"id": s, "split": split} for s, split in zip("abc", splits, strict=True)]
        text(root / "index.json", json.dumps({"images": images}))
    return root


# PASCAL VOC


def voc(root, splits=None):
    """Devkit folders with pictures a (cat, difficult dog) and b (dog)."""
    root = Path(root)

    def item(name, box, difficult=0):
        tags = "".join(
            f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        flag = f"<difficult>{difficult}</difficult>"
        return f"<object><name>{name}</name>{flag}<bndbox>{tags}</bndbox></object>"

    for stem, items in (
        ("a", [item("cat", (3, 4, 12, 8)), item("dog", (1, 1, 100, 50), 1)]),
        ("b", [item("dog", (11, 11, 30, 40))]),
    ):
        picture(root / f"JPEGImages/{stem}.jpg")
        text(root / f"Annotations/{stem}.xml", f"<annotation>{''.join(items)}</annotation>")
    for name, stems in (splits or {}).items():
        text(root / f"ImageSets/Main/{name}.txt", *stems)
    return root
