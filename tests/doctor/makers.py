"""Small data sets with and without faults, written to a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from cascadekit.apis import load_config
from cascadekit.doctor.opening import load_for_examination
from cascadekit.doctor.raw_set import RawObject, RawPicture, RawSet

WIDTH, HEIGHT = 64, 48


def noise(path, seed=0, size=(WIDTH, HEIGHT), **save):
    """A picture of blocks, unlike those of other seeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)
    picture.save(path, **save)
    return path


def box(number=1, image=1, category=1, bbox=(10, 10, 20, 20), **rest):
    """A COCO annotation."""
    entry = {"id": number, "image_id": image, "category_id": category, "bbox": list(bbox)}
    return {**entry, "area": bbox[2] * bbox[3], "iscrowd": 0, **rest}


def image(number=1, name=None, width=WIDTH, height=HEIGHT):
    """A COCO image."""
    name = f"{number}.png" if name is None else name
    return {"id": number, "file_name": name, "width": width, "height": height}


def coco(root, annotations=None, images=None, categories=None, seed=0, file="ann.json"):
    """Two pictures with one object each, of the classes cat and dog, or what is given instead."""
    root = Path(root)
    data = {
        "images": [image(1), image(2)] if images is None else images,
        "annotations": [box(1), box(2, 2, 2)] if annotations is None else annotations,
        "categories": categories or [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    root.mkdir(parents=True, exist_ok=True)
    for k, entry in enumerate(data["images"]):
        if (
            isinstance(entry, dict)
            and "file_name" in entry
            and not (root / entry["file_name"]).exists()
        ):
            noise(root / entry["file_name"], seed=seed + k)
    (root / file).write_text(json.dumps(data))
    return root / file


def xml(path, objects=(("cat", 11, 11, 31, 31),), size=(WIDTH, HEIGHT), **tags):
    """A VOC xml; an object is a name and xmin ymin xmax ymax."""
    found = "".join(
        f"<object><name>{name}</name><difficult>{tags.get('difficult', 0)}</difficult><bndbox>"
        f"<xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for name, a, b, c, d in objects
    )
    width, height = size
    text = f"<annotation><size><width>{width}</width><height>{height}</height></size>{found}"
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "</annotation>")
    return path


def config(data, val=None, masks=False, **options):
    """The lite config with data put in, faulty or not, and no backbone weights to look for."""
    name = "mask_lite" if masks else "cascade_lite"
    return load_for_examination(
        f"configs/lite/{name}.py", str(data), val_data=val and str(val), options=options
    )


def plain_config(**options):
    return load_config("configs/lite/cascade_lite.py", options=options)


def raw_object(box=(10.0, 10.0, 30.0, 30.0), label="cat", key="object 1", **rest):
    return RawObject(key, label, box, **rest)


def raw_picture(*objects, key=1, path=None, size=(WIDTH, HEIGHT)):
    name = f"{key}.png" if path is None else Path(path).name
    return RawPicture(key, str(path or name), name, size, tuple(objects), "ann.json")


def raw_set(*pictures, role="train", classes=("cat", "dog"), **rest):
    ids = tuple(range(1, len(classes) + 1))
    return RawSet(role, "ann.json", "CocoDataset", ".", classes, pictures, category_ids=ids, **rest)


def checks(findings):
    """Name of the check -> its finding."""
    found = {f.check: f for f in findings}
    assert len(found) == len(list(findings))  # one finding for each fault
    return found
