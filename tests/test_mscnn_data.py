"""The data sets of configs/mscnn: folders as the benchmarks come, and the rules of training."""

import random
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope

from cascadekit.apis import load_config
from cascadekit.registry import DATASETS
from cascadekit.structures.samples import to_targets
from tests.datasets import makers

ROOT = Path(__file__).parents[1] / "configs" / "mscnn"


def kitti(root):
    makers.kitti(root / "data/kitti", splits={"train": ["000000"], "val": ["000002"]})


def citypersons(root):
    pytest.importorskip("scipy")
    for split in ("train", "val"):
        makers.city_pictures(root / "data/citypersons", split)
        place = root / f"data/citypersons/annotations/anno_{split}.mat"
        makers.city_mat(place, name=f"anno_{split}_aligned")


def widerface(root):
    pytest.importorskip("scipy")
    for split in ("train", "val"):
        makers.wider_pictures(root / "data/widerface", split)
        name = f"wider_face_split/wider_face_{split}_bbx_gt.txt"
        makers.wider_text(root / "data/widerface" / name)
    makers.wider_subsets(root / "data/widerface/ground_truth")


MAKERS = {"kitti": kitti, "citypersons": citypersons, "widerface": widerface}


def opened(name, split, tmp_path, monkeypatch):
    MAKERS[name](tmp_path)
    monkeypatch.chdir(tmp_path)
    random.seed(0)
    np.random.seed(0)
    config = load_config(ROOT / f"{name}_base.py")
    with DefaultScope.overwrite_default_scope("cascadekit"):
        return config, DATASETS.build(config[f"{split}_dataloader"].dataset)


@pytest.mark.parametrize(
    ("name", "size", "classes", "pictures"),
    [
        ("kitti", (768, 576), 4, 1),
        ("citypersons", (960, 960), 1, 1),  # of three: the others have no pedestrian
        ("widerface", (100, 50), 1, 2),  # smaller than 512 x 512, and not resized
    ],
)
def test_training_pictures(name, size, classes, pictures, tmp_path, monkeypatch):
    config, dataset = opened(name, "train", tmp_path, monkeypatch)
    assert len(dataset) == pictures
    assert len(dataset.metainfo["classes"]) == classes == config.model.num_classes
    for _ in range(8):  # rescaled or not, the window has its size, or the picture's if smaller
        height, width = dataset[0]["inputs"].shape[1:]
        assert width <= size[0] and height <= size[1]
        if name == "widerface":
            assert (width, height) == size


@pytest.mark.parametrize(
    ("name", "size"),
    [("kitti", (1920, 576)), ("citypersons", (2688, 1344)), ("widerface", (100, 50))],
)
def test_whole_pictures_are_tested(name, size, tmp_path, monkeypatch):
    _, dataset = opened(name, "val", tmp_path, monkeypatch)
    sample = dataset[0]
    assert tuple(sample["inputs"].shape[1:]) == size[::-1]
    assert "devkit" in sample["data_samples"].metainfo
    assert len(dataset) == {"kitti": 1, "citypersons": 3, "widerface": 3}[name]


def small(name, tmp_path, monkeypatch, **settings):
    """Targets of the first training picture, at its own scale."""
    config, _ = opened(name, "train", tmp_path, monkeypatch)
    settings = {"prob": 0.0, **settings}
    for step in config.train_dataloader.dataset.pipeline:
        if step["type"].endswith("ObjectCrop"):
            step.update({k: v for k, v in settings.items() if k == "prob" and "scales" in step})
        if step["type"].endswith("RandomFlip"):
            step["prob"] = 0.0
        if step["type"].endswith("IgnoreSmall"):
            step.update({k: v for k, v in settings.items() if k in step})
    with DefaultScope.overwrite_default_scope("cascadekit"):
        dataset = DATASETS.build(config.train_dataloader.dataset)
    (targets,) = to_targets([dataset[0]["data_samples"]])
    return targets


def test_kitti_vans_are_a_class_and_dont_care_is_a_region(tmp_path, monkeypatch):
    """1920 / 100 and 576 / 50: the car is 960 x 345.6, the van 134.4 x 115.2."""
    targets = small("kitti", tmp_path, monkeypatch)
    height_of = {0: 345.6, 1: 115.2}
    heights = (targets.boxes[:, 3] - targets.boxes[:, 1]).tolist()
    assert len(heights) >= 1  # the one that the window lies around
    for label, height in zip(targets.labels.tolist(), heights, strict=True):
        assert height == pytest.approx(height_of[label], abs=0.01)
    assert targets.is_region.sum() <= 1


def test_kitti_low_vehicles_are_ignored(tmp_path, monkeypatch):
    """Both are below 400 pixels; they are objects, and the training set says so."""
    targets = small("kitti", tmp_path, monkeypatch, min_height=400)
    assert len(targets.boxes) == 0 and (~targets.is_region).any()


def test_citypersons_other_labels_are_regions(tmp_path, monkeypatch):
    """The pedestrian is 40 high, 1075 pixels of the network's; a rider and a region beside it."""
    targets = small("citypersons", tmp_path, monkeypatch)
    assert targets.labels.tolist() == [0] and targets.is_region.all()
    assert len(small("citypersons", tmp_path, monkeypatch, min_height=1076).boxes) == 0


def test_widerface_small_and_invalid_faces_are_ignored(tmp_path, monkeypatch):
    targets = small("widerface", tmp_path, monkeypatch)
    assert targets.boxes.tolist() == [[10, 5, 30, 30]]  # 20 x 25
    assert targets.ignored_boxes.tolist() == [[40, 5, 50, 15]]  # invalid
    assert targets.is_region.tolist() == [False]  # a face, though not to be learned
    targets = small("widerface", tmp_path, monkeypatch, min_width=21)
    assert len(targets.boxes) == 0 and len(targets.ignored_boxes) == 2
