"""Data sets of the experiments: what is found in folders, and what their content is known by."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cascadekit.apis import load_config
from cascadekit.errors import InputError
from cascadekit.experiments.data import content_in, content_of, data_set, digest, put_data

OBJECT = (
    "<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>2</ymin>"
    "<xmax>9</xmax><ymax>8</ymax></bndbox></object>"
)


def add_voc(folder, stem, name="ace", annotations=None):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(folder / f"{stem}.jpg")
    size = "<size><width>16</width><height>12</height><depth>3</depth></size>"
    text = (
        f"<annotation><filename>{stem}.jpg</filename>{size}{OBJECT.format(name=name)}</annotation>"
    )
    place = annotations or folder
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{stem}.xml").write_text(text)


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "photos"
    add_voc(root / "train", "a")
    add_voc(root / "train", "b", "king")
    add_voc(root / "test", "c")
    add_voc(root / "test", "d", "king")
    return root


def test_drawn_shapes():
    shapes = data_set("shapes")
    assert (shapes.name, shapes.kind, len(shapes.classes)) == ("shapes", "shapes", 6)
    assert not shapes.train and shapes.train_content is None


@pytest.mark.parametrize("word", ["drawn-kitti", "drawn-citypersons", "drawn-widerface"])
def test_drawn_benchmarks(word):
    """The config says what they are; nothing is drawn to know that."""
    found = data_set(word)
    assert (found.name, found.kind) == (word, word)
    assert not found.train and found.train_content is None and not found.classes


def test_a_folder_of_voc_files(voc):
    found = data_set(str(voc))
    assert (found.name, found.kind) == ("photos", "photos")
    assert found.classes == ("ace", "king")
    assert found.train["type"] == "cascadekit.VOCDataset"
    assert found.val["image_dir"].endswith("test") and found.val["classes"] == ["ace", "king"]


@pytest.mark.parametrize("name", ["val", "valid", "test"])
def test_coco_files(tmp_path, name):
    for split in ("train", name):
        add_voc(tmp_path / "set" / split, "a")  # for the picture
        (tmp_path / "set" / split / "a.xml").unlink()
        content = {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 16, "height": 12}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 8, 6]}],
            "categories": [{"id": 3, "name": "ace"}],
        }
        (tmp_path / "set" / split / "_annotations.coco.json").write_text(json.dumps(content))
    found = data_set(str(tmp_path / "set"))
    assert found.train["ann_file"].endswith("_annotations.coco.json")
    assert found.classes == ("ace",)
    (tmp_path / "set" / name / "more.json").write_text("{}")
    with pytest.raises(InputError, match="2 json files"):
        data_set(str(tmp_path / "set"))


def test_a_devkit(tmp_path):
    root = tmp_path / "kit"
    for stem in "abc":
        add_voc(root / "JPEGImages", stem, annotations=root / "Annotations")
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split, stems in (("train", "a"), ("trainval", "ab"), ("val", "b"), ("test", "c")):
        (lists / f"{split}.txt").write_text("\n".join(stems) + "\n")
    # val comes first, so that what is trained on must not hold it
    found = data_set(str(root))
    assert found.train["split_file"].endswith("/train.txt")
    assert found.val["split_file"].endswith("/val.txt")
    (lists / "val.txt").unlink()
    found = data_set(str(root))
    assert found.train["split_file"].endswith("/trainval.txt")
    assert found.val["split_file"].endswith("/test.txt")


def test_content_does_not_go_by_the_place(voc, tmp_path):
    before = data_set(str(voc))
    shutil.copytree(voc, tmp_path / "elsewhere" / "photos")
    after = data_set(str(tmp_path / "elsewhere" / "photos"))
    assert (after.train_content, after.val_content) == (before.train_content, before.val_content)
    assert after.train != before.train


@pytest.mark.parametrize(
    "change",
    [
        lambda train: (train / "a.xml").write_text((train / "b.xml").read_text()),  # a label
        lambda train: (train / "a.jpg").rename(train / "z.jpg"),  # a name
        lambda train: (train / "a.jpg").write_bytes(b"0" * 10),  # a size
        lambda train: add_voc(train, "d"),  # one more
    ],
)
def test_content_goes_by_annotations_and_pictures(voc, change):
    before = content_of(voc / "train", ("ace",))
    change(voc / "train")
    assert content_of(voc / "train", ("ace",)) != before


def test_other_files_do_not_count(voc):
    before = content_of(voc / "train", ("ace",))
    (voc / "train" / "notes.txt").write_text("hello")
    assert content_of(voc / "train", ("ace",)) == before
    assert content_of(voc / "train", ("ace", "king")) != before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root / "none", ["no such folder"]),
        (lambda root: root, ["no folder train"]),
        (lambda root: (root / "train").mkdir() or root, ["no folder val or valid"]),
        (
            lambda root: [(root / n).mkdir() for n in ("train", "val")] and root,
            ["neither VOC xml files nor a COCO json"],
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path, make, words):
    with pytest.raises(InputError) as caught:
        data_set(str(make(tmp_path)))
    assert all(word in str(caught.value) for word in words)


def test_a_class_that_val_lacks_is_found_before_the_training(voc):
    (voc / "test" / "d.xml").unlink()
    with pytest.raises(InputError, match="no object of class 'king'"):
        data_set(str(voc))


def test_a_misspelt_name():
    with pytest.raises(InputError, match="Did you mean 'shapes'"):
        data_set("shape")


def test_put_into_a_config_pipelines_stay(voc):
    config = load_config("configs/experiments/small/u05.py")
    pipeline = config.train_dataloader.dataset.pipeline
    put_data(config, data_set(str(voc)))
    assert config.model.num_classes == 2
    assert config.train_dataloader.dataset.type == "cascadekit.VOCDataset"
    assert config.train_dataloader.dataset.pipeline == pipeline
    assert config.test_dataloader.dataset.test_mode is True
    assert "num_images" not in config.test_dataloader.dataset


def test_what_stands_for_a_data_set_has_no_place():
    said = content_in({"type": "V", "image_dir": "/a", "classes": ["x"], "min_size": 3}, "abc")
    assert said == {"type": "V", "min_size": 3, "content": "abc"}
    drawn = content_in({"type": "cascadekit.ShapesDataset", "split": "train", "root": "/r"}, None)
    assert drawn == {"type": "cascadekit.ShapesDataset", "split": "train", "version": 1}
    drawn = content_in({"type": "cascadekit.DrawnKittiDataset", "num_images": 600}, None)
    assert drawn == {"type": "cascadekit.DrawnKittiDataset", "num_images": 600, "version": 1}


def test_digests():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5}) and len(digest(None)) == 16
