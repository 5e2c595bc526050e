"""Label pictures: masks exact to the pixel, splits, and one clear error per fault."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from cascadekit.datasets import LabelPNGDataset
from cascadekit.datasets.label_png import masks_of, read_index, read_label_picture, runs_by_label
from cascadekit.errors import InputError
from cascadekit.registry import DATASETS
from tests.datasets import makers

DATA = Path(__file__).parents[2] / "../shared/data/nuclei"


def build(root, **arguments):
    return LabelPNGDataset(str(root / "images"), str(root / "labels"), **arguments)


def test_runs():
    labels = np.array([[0, 2, 2], [1, 2, 0]])  # columns: 0 1, 2 2, 2 0
    assert runs_by_label(labels) == {1: [1, 1, 4], 2: [2, 3, 1]}
    assert runs_by_label(np.array([[5]])) == {5: [0, 1, 0]}  # one pixel
    assert runs_by_label(np.zeros((3, 2), int)) == {}
    assert runs_by_label(np.zeros((0, 4), int)) == {}
    assert runs_by_label(np.array([[1, 0, 1]])) == {1: [0, 1, 1, 1, 0]}  # two pieces


def test_masks_are_exact():
    labels = np.random.default_rng(0).integers(0, 9, (31, 17)) ** 5  # numbers with gaps
    masks = masks_of(labels)
    assert list(masks) == sorted(set(labels.ravel().tolist()) - {0})
    for number, mask in masks.items():
        assert (coco_mask.decode(mask) == (labels == number)).all()


def test_record(tmp_path):
    dataset = build(makers.label_set(tmp_path))
    assert dataset.metainfo["classes"] == ("object",)
    assert dataset.metainfo["has_masks"] is True
    assert len(dataset) == 2  # b has no object
    record = dataset.get_data_info(0)
    assert (record["img_id"], record["width"], record["height"]) == ("a", 8, 6)
    one, seven, far = record["instances"]
    assert [i["instance_id"] for i in (one, seven, far)] == [1, 7, 500]  # more than 8 bits
    assert one["bbox"] == [0, 1, 4, 6] and one["area"] == 7  # in two pieces
    assert seven["bbox"] == [5, 4, 8, 6] and far["bbox"] == [6, 0, 7, 1]
    assert (far["label"], far["iscrowd"], far["ignore"]) == (0, 0, 0)
    assert (coco_mask.decode(one["segmentation"]) == (makers.cells() == 1)).all()


def test_training_gets_the_masks(tmp_path):
    pipeline = [dict(type="cascadekit.LoadImage"), dict(type="cascadekit.PackInputs")]
    sample = build(makers.label_set(tmp_path), pipeline=pipeline)[0]["data_samples"]
    bitmaps = sample.gt_instances.masks.to_bitmaps().numpy()
    assert (bitmaps == np.stack([makers.cells() == k for k in (1, 7, 500)])).all()


@pytest.mark.parametrize(
    ("split", "names"), [(None, ["a", "b", "c"]), ("train", ["a", "b"]), ("val", ["c"])]
)
def test_splits(tmp_path, split, names):
    index = str(makers.label_set(tmp_path) / "index.json")
    dataset = build(tmp_path, split=split, index_file=index, test_mode=True)
    assert [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))] == names
    assert list(read_index(index, split)) == names


@pytest.mark.parametrize(
    ("name", "dtype"), [("a.png", np.uint8), ("a.png", np.uint16), ("a.tif", np.int32)]
)
def test_depths(tmp_path, name, dtype):
    labels = np.minimum(makers.cells(), 255)
    file = makers.label_picture(tmp_path / name, labels, dtype)
    assert (read_label_picture(file) == labels).all()


def test_palette(tmp_path):
    """Indices count, not the colours they stand for."""
    image = Image.fromarray(np.array([[0, 1], [2, 2]], np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(tmp_path / "a.png")
    assert read_label_picture(tmp_path / "a.png").tolist() == [[0, 1], [2, 2]]


def test_name_of_the_class(tmp_path):
    dataset = build(makers.label_set(tmp_path), classes=["nucleus"])
    assert dataset.metainfo["classes"] == ("nucleus",)


def spoil(root, what):
    if what == "size":
        makers.label_picture(root / "labels/a.png", np.ones((6, 9)))
    elif what == "colours":
        makers.picture(root / "labels/a.png", 8, 6)
    elif what == "damaged":
        (root / "labels/a.png").write_bytes(b"\x89PNG")
    elif what == "picture":
        (root / "images/c.png").unlink()
    elif what == "empty":
        for file in (root / "labels").iterdir():
            file.unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("size", r"labels/a\.png is 9 x 6 pixels .* but its picture .*images/a\.png is 8 x 6"),
        (
            "colours",
            r"a\.png must have one channel .*got mode RGB \(6, 8, 3\): save .* 16-bit grey",
        ),
        ("damaged", r"a\.png is not a picture that can be read"),
        ("picture", r"no picture for .*labels/c\.png: looked in .*images"),
        ("empty", r"folder of label pictures has no \.png files"),
    ],
)
def test_faults_of_the_pictures(tmp_path, what, message):
    spoil(makers.label_set(tmp_path), what)
    with pytest.raises(InputError, match=message):
        build(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "index.json is not json"),
        ("[]", "has no list 'images'"),
        ('{"images": [{"split": "train"}]}', r"images\[0\] has no 'id'"),
        ('{"images": [{"id": "a"}, {"id": "a"}]}', "lists 'a' twice"),
        ('{"images": [{"id": "a"}]}', "has no split 'train', it has: none"),
        ('{"images": [{"id": "a", "split": "trian"}]}', "Did you mean 'trian'"),
        ('{"images": [{"id": "d", "split": "train"}]}', r"no picture for .*labels/d\.png"),
    ],
)
def test_faults_of_the_index(tmp_path, content, message):
    index = makers.text(makers.label_set(tmp_path) / "index.json", content)
    with pytest.raises(InputError, match=message):
        build(tmp_path, split="train", index_file=str(index))


def test_a_label_picture_that_the_index_has_and_the_folder_not(tmp_path):
    makers.label_set(tmp_path)
    (tmp_path / "labels/a.png").unlink()
    with pytest.raises(InputError, match=r"label picture not found: .*labels/a\.png"):
        build(tmp_path, index_file=str(tmp_path / "index.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "train"}, "split is 'train', but index_file"),
        ({"index_file": "gone.json"}, "index not found: gone.json"),
        ({"classes": ["a", "b"]}, "label pictures have one class"),
        ({"classes": "cell"}, "must be a list of one name .* got 'cell'"),
        ({"classes": []}, "label pictures have one class"),
    ],
)
def test_faults_of_the_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        build(makers.label_set(tmp_path), **arguments)


def test_missing_folders(tmp_path):
    with pytest.raises(InputError, match="folder of pictures not found"):
        build(tmp_path)


def test_registered():
    assert DATASETS.get("LabelPNGDataset") is LabelPNGDataset


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside the repository")
def test_nuclei():
    index = json.loads((DATA / "index.json").read_text())["images"]
    dataset = build(DATA, split="val", index_file=str(DATA / "index.json"))
    stated = {image["id"]: image["nuclei"] for image in index if image["split"] == "val"}
    read = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert {r["img_id"]: len(r["instances"]) for r in read} == stated
    assert sum(stated.values()) == 1863
    labels = read_label_picture(DATA / "labels" / f"{read[0]['img_id']}.png")
    for instance in read[0]["instances"]:
        own = labels == instance["instance_id"]
        assert (coco_mask.decode(instance["segmentation"]) == own).all()
        assert instance["area"] == own.sum()
