"""Random ground truth and detections of each benchmark, written in its own files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.datasets import makers as data
from tests.evaluation.makers import Maker

SPACE = "-1 -1 -1 -1000 -1000 -1000 -10"


@dataclass(frozen=True)
class Files:
    """Where a benchmark's files lie, and what is in them.

    Attributes:
        gt: ground truth as `--gt` takes it.
        dt: detections as `--dt` takes them.
        truths: what the plain function takes.
        found: likewise.
    """

    gt: Path
    dt: Path
    truths: list[Any]
    found: list[Any]


def row(numbers):
    return " ".join(repr(float(v)) for v in numbers)


def kitti(root, seed=0, images=12):
    truths, found = Maker(seed, images).kitti()
    for i, (truth, boxes) in enumerate(zip(truths, found, strict=True)):
        rows = zip(truth.names, truth.truncated, truth.occluded, truth.boxes, strict=True)
        lines = [f"{n} {float(t)!r} {o} 0 {row(b)} {SPACE}" for n, t, o, b in rows]
        data.text(Path(root) / f"label_2/{i:06d}.txt", *lines)
        kitti_found(root, i, boxes)
    return Files(Path(root) / "label_2", Path(root) / "data", truths, found)


def kitti_found(root, i, boxes):
    rows = zip(boxes.names, boxes.boxes, boxes.scores, strict=True)
    lines = [f"{n} -1 -1 -10 {row(b)} {SPACE} {float(s)!r}" for n, b, s in rows]
    data.text(Path(root) / f"data/{i:06d}.txt", *lines)


def citypersons(root, seed=0, images=12):
    truths, found = Maker(seed, images).persons()
    annotations, results = [], []
    for number, (truth, boxes) in enumerate(zip(truths, found, strict=True), 1):
        rows = zip(truth.boxes_xywh, truth.visible, truth.ignored, strict=True)
        for box, ratio, ignored in rows:
            entry = {"image_id": number, "category_id": 1, "bbox": box, "vis_ratio": ratio}
            annotations.append({**entry, "ignore": int(ignored), "height": box[3]})
        for box, score in zip(boxes.boxes_xywh, boxes.scores, strict=True):
            entry = {"image_id": number, "category_id": 1, "bbox": box, "score": score}
            results.append(entry)
    listed = [{"id": k + 1, "im_name": f"a_{k}_leftImg8bit.png"} for k in range(images)]
    content = {"images": listed[::-1], "annotations": annotations, "categories": []}
    gt = data.text(Path(root) / "val_gt.json", json.dumps(content))
    return Files(gt, data.text(Path(root) / "dt.json", json.dumps(results)), truths, found)


def widerface(root, seed=0, images=12, form="xywh"):
    truths, found = Maker(seed, images).faces()
    names = [f"{k % 2}--Event/{k % 2}_Event_{k}" for k in range(images)]
    order = sorted(range(images), key=lambda k: names[k])  # events one after the other
    names = [names[k] for k in order]
    faces = {
        n: [[*b, *[0] * 6] for b in truths[k].boxes_xywh] for n, k in zip(names, order, strict=True)
    }
    folder = Path(root) / "ground_truth"
    data.wider_mat(folder / "wider_face_val.mat", faces)
    rows = {}
    for subset in ("easy", "medium", "hard"):
        flags = [getattr(truths[k], subset) for k in order]
        rows[subset] = [[f + 1 for f, flag in enumerate(own) if flag] for own in flags]
    data.wider_subsets(folder, rows, faces)
    for name, k in zip(names, order, strict=True):
        face_found(root, name, found[k], form)
    return Files(folder, Path(root) / "pred", [truths[k] for k in order], [found[k] for k in order])


def face_found(root, name, boxes, form):
    lines = [name.split("/")[1], str(len(boxes.scores))]
    for (x, y, w, h), score in zip(boxes.boxes_xywh, boxes.scores, strict=True):
        box = [x, y, w, h] if form == "xywh" else [x, y, x + w, y + h]
        lines.append(row([*box, score]))
    data.text(Path(root) / f"pred/{name}.txt", *lines)


def voc(root, seed=0, images=12):
    truths, found = Maker(seed, images).voc()
    for i, truth in enumerate(truths):
        items = zip(truth.names, truth.boxes, truth.difficult, strict=True)
        objects = "".join(map(_xml, items))
        data.text(Path(root) / f"Annotations/{i:06d}.xml", f"<annotation>{objects}</annotation>")
    data.text(Path(root) / "ImageSets/Main/test.txt", *(f"{i:06d}" for i in range(images)))
    for name in ("Car", "Pedestrian", "Cyclist", "Van"):
        lines = [
            f"{i:06d} {row([score, *box])}"
            for i, boxes in enumerate(found)
            for n, box, score in zip(boxes.names, boxes.boxes, boxes.scores, strict=True)
            if n == name
        ]
        data.text(Path(root) / f"results/comp4_det_test_{name}.txt", *lines)
    return Files(Path(root), Path(root) / "results", truths, found)


def _xml(item):
    name, box, difficult = item
    tags = "".join(
        f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    flag = f"<difficult>{int(difficult)}</difficult>"
    return f"<object><name>{name}</name>{flag}<bndbox>{tags}</bndbox></object>"


def coco(root, truth, results):
    for number, image in enumerate(truth["images"]):
        image["file_name"] = f"{number}.jpg"
    gt = data.text(Path(root) / "gt.json", json.dumps(truth))
    dt = data.text(Path(root) / "dt.json", json.dumps(results))
    return Files(gt, dt, [], [])


def shuffled(lines, seed):
    return [lines[i] for i in np.random.default_rng(seed).permutation(len(lines))]
