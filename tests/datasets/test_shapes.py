"""The drawn set: exact boxes, the same every time, safe to draw by several processes."""

import hashlib
import json
import multiprocessing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from cascadekit.datasets import ShapesDataset, draw_scene
from cascadekit.datasets.shapes import CLASSES, _arrange, cached_shapes
from cascadekit.errors import InputError
from cascadekit.registry import DATASETS
from cascadekit.structures.samples import to_targets

CONFIGS = Path(__file__).parents[2] / "configs/_base_/datasets"

SMALL = {"num_images": 3, "image_size": 96}
PIPELINE = [{"type": "cascadekit.LoadImage"}, {"type": "cascadekit.PackInputs"}]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return str(tmp_path_factory.mktemp("shapes"))


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("index", range(6))
def test_boxes_are_the_bounds_of_the_visible_masks(index, difficulty):
    scene = draw_scene("train", index, 96, difficulty)
    count = len(scene.labels)
    assert 1 <= count <= 5
    assert scene.image.shape == (96, 96, 3)
    assert scene.image.dtype == np.uint8
    assert scene.masks.shape == (count, 96, 96)
    assert scene.masks.sum(0).max() == 1  # a pixel shows one object
    assert set(scene.labels.tolist()) <= set(range(6))
    for mask, (x1, y1, x2, y2) in zip(scene.masks, scene.boxes.tolist(), strict=True):
        assert mask[y1:y2, x1:x2].sum() == mask.sum() > 0
        edges = mask[y1, :], mask[y2 - 1, :], mask[:, x1], mask[:, x2 - 1]
        assert all(edge.any() for edge in edges)
        assert 0 < x1 and x2 < 96 and 0 < y1 and y2 < 96  # nothing is cut by the border


def test_every_class_is_drawn():
    seen = {label for i in range(30) for label in draw_scene("train", i, 64).labels.tolist()}
    assert seen == set(range(len(CLASSES)))


def test_objects_can_be_told_from_what_is_behind_them():
    # The painted pixels and the mask come from the same geometry: an easy object's inside
    # differs from the ring around it.
    scene = draw_scene("val", 0, 192, difficulty=0.0)
    top = scene.masks[-1].astype(np.uint8)
    ring = cv2.dilate(top, np.ones((13, 13))) - cv2.dilate(top, np.ones((7, 7)))
    inside, outside = scene.image[top > 0].mean(0), scene.image[ring > 0].mean(0)
    assert np.abs(inside - outside).max() > 20


def digest(scene):
    return hashlib.sha256(
        b"".join(np.ascontiguousarray(v).tobytes() for v in (scene.masks, scene.labels))
    ).hexdigest()[:16]


def test_same_scene_every_time():
    first, again = draw_scene("train", 4, 96), draw_scene("train", 4, 96)
    assert (first.image == again.image).all()
    assert digest(first) == digest(again)


def test_same_annotation_on_every_machine():
    # If this changes on purpose, raise VERSION in shapes.py, or old caches will be read.
    assert digest(draw_scene("train", 4, 96)) == "4a074d6e071a88e6"


@pytest.mark.parametrize(
    ("split", "index", "seed"), [("val", 4, 0), ("train", 5, 0), ("train", 4, 1)]
)
def test_split_index_and_seed_give_other_pictures(split, index, seed):
    other = draw_scene(split, index, 96, seed=seed)
    assert (draw_scene("train", 4, 96).image != other.image).any()


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_enough_of_every_object_can_be_seen(difficulty):
    hidden = []
    for seed in range(20):
        _, alphas, visible = _arrange(np.random.default_rng(seed), 96, difficulty)
        for alpha, mask in zip(alphas, visible, strict=True):
            hidden.append(1 - mask.sum() / (alpha >= 0.5).sum())
    assert 0.1 < max(hidden) <= 0.25 + 0.35 * difficulty


def test_dataset_holds_the_scenes(root):
    dataset = ShapesDataset("train", **SMALL, root=root, pipeline=PIPELINE)
    assert dataset.metainfo["classes"] == CLASSES
    assert len(dataset) == 3
    for index in range(3):
        scene = draw_scene("train", index, 96)
        item = dataset[index]
        assert (item["inputs"].permute(1, 2, 0).numpy() == scene.image).all()  # PNG loses nothing
        (targets,) = to_targets([item["data_samples"]])
        assert targets.boxes.tolist() == scene.boxes.tolist()
        assert targets.labels.tolist() == scene.labels.tolist()
        assert (targets.masks.to_bitmaps().numpy() == scene.masks).all()
        record = dataset.get_data_info(index)
        assert [i["area"] for i in record["instances"]] == scene.masks.sum((1, 2)).tolist()


def test_mirrored_boxes_are_the_bounds_of_mirrored_masks(root):
    flip = {"type": "cascadekit.RandomFlip", "prob": 1.0}
    pipeline = [PIPELINE[0], flip, PIPELINE[1]]
    dataset = ShapesDataset("train", **SMALL, root=root, pipeline=pipeline)
    (targets,) = to_targets([dataset[0]["data_samples"]])
    for mask, (x1, y1, x2, y2) in zip(targets.masks.to_bitmaps(), targets.boxes, strict=True):
        rows, columns = mask.nonzero().unbind(1)
        assert (columns.min(), columns.max() + 1) == (x1, x2)
        assert (rows.min(), rows.max() + 1) == (y1, y2)


def test_a_larger_set_begins_with_the_smaller_one(root):
    small = ShapesDataset("train", **SMALL, root=root)
    large = ShapesDataset("train", 5, 96, root=root)
    for index in range(3):
        a, b = small.get_data_info(index), large.get_data_info(index)
        assert a["instances"] == b["instances"]
        assert Path(a["img_path"]).read_bytes() == Path(b["img_path"]).read_bytes()


def test_the_cache_is_read_and_not_drawn_again(root):
    ShapesDataset("train", **SMALL, root=root)
    (folder,) = Path(root).glob("*-train-3x96px-*")
    before = (folder / "annotations.json").stat().st_mtime_ns
    ShapesDataset("train", **SMALL, root=root, test_mode=True)
    assert (folder / "annotations.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"difficulty": 0.7}, {"seed": 1}, {"split": "val"}])
def test_other_parameters_are_another_folder(root, change):
    parameters = {"split": "train", **SMALL, "difficulty": 0.5, "seed": 0, "root": root}
    assert cached_shapes(**parameters) != cached_shapes(**{**parameters, **change})


def test_default_root_is_the_environment_s(tmp_path, monkeypatch):
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    dataset = ShapesDataset("val", 1, 64)
    assert Path(dataset.ann_file).is_relative_to(tmp_path / "data")


def _draw(root, results):
    results.put(len(ShapesDataset("train", 4, 64, root=root)))


def test_processes_that_draw_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=_draw, args=(str(tmp_path), results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [4, 4, 4]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(list(tmp_path.iterdir())) == 1  # no scratch folder is left


def test_a_run_that_is_stopped_leaves_no_half_set(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("cascadekit.datasets.shapes.draw_scene", stop)
    with pytest.raises(KeyboardInterrupt):
        ShapesDataset("train", 2, 64, root=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "vall"}, "split .* got 'vall'.*Did you mean 'val'"),
        ({"num_images": 0}, "num_images"),
        ({"num_images": 2.5}, "num_images"),
        ({"image_size": 32}, "image_size .* 64 or more"),
        ({"seed": -1}, "seed"),
        ({"difficulty": 1.5}, "difficulty"),
        ({"difficulty": "hard"}, "difficulty"),
        ({"classes": ["stra"]}, "'stra' is not in.*Did you mean 'star'"),
    ],
)
def test_faults(root, arguments, message):
    with pytest.raises(InputError, match=message):
        ShapesDataset(**{"split": "train", **SMALL, "root": root, **arguments})


def test_unknown_split_of_a_scene():
    with pytest.raises(InputError, match="'test'"):
        draw_scene("test", 0)


def test_root_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written.*CASCADEKIT_DATA"):
        ShapesDataset("train", **SMALL, root=str(tmp_path / "file"))


def test_base_config_trains_and_validates(root):
    config = Config.fromfile(CONFIGS / "shapes.py")
    for loader in (config.train_dataloader, config.val_dataloader):
        dataset = DATASETS.build({**loader.dataset, **SMALL, "root": root})
        batch = pseudo_collate([dataset[0], dataset[1]])
        assert [x.shape for x in batch["inputs"]] == [torch.Size([3, 96, 96])] * 2
        records = batch["data_samples"][0].metainfo["instances"]
        assert bool(records) == dataset.test_mode


@pytest.mark.parametrize(
    "name",
    ["coco_instance", "coco_detection", "coco_lite", "coco_lite_instance", "voc", "shapes"],
)
def test_base_configs_are_plain_and_scoped(name):
    config = Config.fromfile(CONFIGS / f"{name}.py").to_dict()
    assert set(config) == {
        "train_dataloader",
        "val_dataloader",
        "test_dataloader",
        "val_evaluator",
        "test_evaluator",
    }
    types = []

    def walk(node):
        if isinstance(node, dict):
            types.extend([node["type"]] if "type" in node else [])
            node = list(node.values())
        if isinstance(node, list | tuple):
            for child in node:
                walk(child)

    walk(config)
    assert len(types) >= 10
    assert all(t.split(".")[0] in ("cascadekit", "mmengine") for t in types)
    masks = config["train_dataloader"]["dataset"]["pipeline"][-1]["with_masks"]
    assert masks == (name not in ("coco_detection", "coco_lite", "voc"))
    assert json.dumps(config)  # literals only
