"""One detector's boxes through a data set and the registered metric, and through files: equal."""

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from cascadekit.datasets.submissions import WRITERS, Names, collect
from cascadekit.registry import DATASETS, METRICS
from cascadekit.scoring import evaluate_files
from cascadekit.structures.samples import Detections, Prediction, attach_predictions, image_infos
from tests.datasets.makers import picture
from tests.scoring import makers

TYPES = {
    "kitti": ("KittiDataset", "KittiMetric"),
    "citypersons": ("CityPersonsDataset", "CityPersonsMetric"),
    "widerface": ("WiderFaceDataset", "WiderFaceMetric"),
    "voc": ("VOCDataset", "VocMetric"),
}
SIZE = (400, 300)
IMAGES = 40


def sources(kind, root, files):
    """Pictures in the folders of each layout, and the arguments of its data set."""
    if kind == "kitti":
        for file in files.gt.glob("*.txt"):
            picture(root / f"image_2/{file.stem}.png", *SIZE)
        return {"image_dir": str(root / "image_2"), "label_dir": str(files.gt)}
    if kind == "voc":
        for file in (root / "Annotations").glob("*.xml"):
            picture(root / f"JPEGImages/{file.stem}.jpg", *SIZE)
        return {"image_dir": str(root / "JPEGImages"), "ann_dir": str(root / "Annotations")}
    if kind == "citypersons":
        for k in range(IMAGES):
            picture(root / f"leftImg8bit/a/a_{k}_leftImg8bit.png", *SIZE)
        return {"image_dir": str(root / "leftImg8bit"), "ann_file": str(files.gt)}
    for file in files.dt.rglob("*.txt"):
        name = file.relative_to(files.dt).with_suffix(".jpg")
        picture(root / "WIDER_val/images" / name, *SIZE)
    lists = {"ann_file": str(files.gt / "wider_face_val.mat"), "subset_dir": str(files.gt)}
    return {"image_dir": str(root / "WIDER_val/images"), **lists}


def detect(sample, rng, classes):
    """Most objects with a shifted box, and some false alarms; float32, as a detector has them."""
    boxes, labels = [], []
    for instance in sample.metainfo["instances"]:
        if not instance["iscrowd"] and rng.random() < 0.8:
            boxes.append(np.array(instance["bbox"]) + rng.uniform(-3, 3, 4))
            labels.append(instance["label"])
    for _ in range(rng.integers(0, 3)):
        x, y, w, h = rng.uniform((0, 0, 20, 30), (300, 200, 90, 90))
        boxes.append(np.array([x, y, x + w, y + h]))
        labels.append(rng.integers(classes))
    count = len(boxes)
    return Detections(
        torch.tensor(np.array(boxes).reshape(-1, 4), dtype=torch.float32),
        torch.tensor(rng.random(count), dtype=torch.float32),
        torch.tensor(np.array(labels, np.int64)),
        torch.arange(count),
    )


@pytest.mark.parametrize("kind", TYPES)
def test_metric_and_files_agree(kind, tmp_path):
    files = getattr(makers, kind)(tmp_path, 11, IMAGES)
    config = {"type": f"cascadekit.{TYPES[kind][0]}", "test_mode": True}
    config["pipeline"] = [dict(type="cascadekit.LoadImage"), dict(type="cascadekit.PackInputs")]
    dataset = DATASETS.build({**config, **sources(kind, tmp_path, files)})
    evaluator = Evaluator(METRICS.build(dict(type=f"cascadekit.{TYPES[kind][1]}")))
    evaluator.dataset_meta = dataset.metainfo
    classes = dataset.metainfo["classes"]
    ids = dataset.metainfo.get("category_ids") or range(len(classes))
    rng, results = np.random.default_rng(3), []
    for item in dataset:
        sample = item["data_samples"]
        found = detect(sample, rng, len(classes))
        evaluator.process(attach_predictions([sample], [_prediction(sample, found)]))
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
            x1, y1, x2, y2 = box.double().tolist()
            entry = {"image_id": sample.metainfo["img_id"], "category_id": ids[int(label)]}
            results.append({**entry, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)})
    own = {k.split("/", 1)[1]: v for k, v in evaluator.evaluate(len(dataset)).items()}
    out = tmp_path / ("out.json" if kind == "citypersons" else "out")
    pictures = collect(results, dataset, sources(kind, tmp_path, files)["image_dir"])
    WRITERS[kind](pictures, Names(classes, "test"), str(out))
    theirs = evaluate_files(kind, files.gt, out).spread_a.values
    shared = [name for name in own if name in theirs]
    assert {n: own[n] for n in shared} == pytest.approx({n: theirs[n] for n in shared}, nan_ok=True)
    assert len(shared) >= 6
    assert any(0 < own[name] < 1 for name in shared)


def _prediction(sample, found):
    return Prediction(image_infos([sample])[0], found, ())
