"""`--data`: what each name stands for, and that the classes follow."""

import json

import pytest
from mmengine import Config

from cascadekit import data_choice
from cascadekit.data_choice import (
    NamedData,
    choose_data,
    classes_of,
    dataset_config,
    has_validation,
    parse_data,
)
from cascadekit.datasets.shapes import CLASSES
from cascadekit.errors import InputError
from tests.datasets import makers


def write_coco(path, names):
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
    return str(path)


def write_voc(folder, *names):
    folder.mkdir(parents=True)
    for k, name in enumerate(names):
        text = f"<annotation><object><name>{name}</name></object></annotation>"
        (folder / f"{k}.xml").write_text(text)
    return str(folder)


def config():
    """A config with all that `choose_data` touches, and marks on what it must keep."""

    def loader(**more):
        dataset = {"type": "cascadekit.CocoDataset", "ann_file": "old.json", "image_dir": "old"}
        return {"batch_size": 3, "dataset": {**dataset, "pipeline": ["kept"], **more}}

    return Config(
        {
            "model": {"num_classes": 80},
            "train_dataloader": loader(min_size=32, indices=5),
            "val_dataloader": loader(test_mode=True),
            "test_dataloader": loader(test_mode=True),
            "val_evaluator": {"type": "cascadekit.CocoMetric"},
            "val_cfg": {"type": "ValLoop"},
        }
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_named_sets(split):
    assert dataset_config("shapes", None, split, None) == {
        "type": "cascadekit.ShapesDataset",
        "split": split,
    }
    assert dataset_config("coco", None, split, None) == {
        "type": "cascadekit.CocoDataset",
        "ann_file": f"data/coco/annotations/instances_{split}2017.json",
        "image_dir": f"data/coco/{split}2017/",
    }


@pytest.mark.parametrize(
    ("images", "folder"),
    [(None, "a/b"), ("photos", "photos")],  # beside the annotations, unless it is said
)
def test_coco_json(images, folder):
    chosen = dataset_config("a/b/c.json", images, "train", ("cat",))
    assert chosen == {
        "type": "cascadekit.CocoDataset",
        "ann_file": "a/b/c.json",
        "image_dir": folder,
        "classes": ["cat"],
    }


def test_voc_folders(tmp_path):
    flat = write_voc(tmp_path / "flat", "cat")
    devkit = write_voc(tmp_path / "VOC2007" / "Annotations", "cat").removesuffix("/Annotations")
    # xml beside the pictures
    assert dataset_config(flat, None, "train", None) == {
        "type": "cascadekit.VOCDataset",
        "image_dir": flat,
    }
    # pictures elsewhere
    chosen = dataset_config(flat, "photos", "train", None)
    assert (chosen["image_dir"], chosen["ann_dir"]) == ("photos", flat)
    # as the VOC devkit is laid out
    chosen = dataset_config(devkit, None, "train", None)
    assert chosen["image_dir"] == f"{devkit}/JPEGImages"
    assert chosen["ann_dir"] == f"{devkit}/Annotations"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("shaps", "Did you mean 'shapes'"), ("COCO", "Did you mean 'coco'"), ("no/folder", "folder")],
)
def test_unknown(name, hint):
    with pytest.raises(InputError, match=rf"--data {name}: expected shapes or coco.*{hint}"):
        dataset_config(name, None, "train", None)


def test_classes_of(tmp_path):
    coco = dataset_config(write_coco(tmp_path / "a.json", ["dog", "cat"]), None, "train", None)
    assert classes_of(coco) == ("dog", "cat")  # in the order of ids
    voc = dataset_config(write_voc(tmp_path / "voc", "dog", "cat"), None, "train", None)
    assert classes_of(voc) == ("cat", "dog")  # sorted
    assert classes_of({"type": "cascadekit.ShapesDataset"}) == CLASSES
    assert classes_of({"type": "cascadekit.CocoDataset", "classes": ["x"]}) == ("x",)
    assert classes_of({"type": "another.Dataset"}) is None
    with pytest.raises(InputError, match=r"annotation file not found: 'gone\.json'"):
        classes_of({"type": "cascadekit.CocoDataset", "ann_file": "gone.json"})


def test_nothing_chosen_changes_nothing():
    ours = config()
    choose_data(ours)
    assert ours.to_dict() == config().to_dict()


def test_shapes_everywhere():
    ours = config()
    choose_data(ours, "shapes")
    assert ours.model.num_classes == len(CLASSES)
    assert ours.train_dataloader.dataset == {
        "type": "cascadekit.ShapesDataset",
        "split": "train",
        "pipeline": ["kept"],
        "min_size": 32,  # filters stay; `indices` was a choice among the old pictures
    }
    for loader in (ours.val_dataloader, ours.test_dataloader):
        assert loader.batch_size == 3
        assert loader.dataset == {
            "type": "cascadekit.ShapesDataset",
            "split": "val",
            "classes": list(CLASSES),
            "pipeline": ["kept"],
            "test_mode": True,
        }
    assert ours.val_cfg is not None


def test_own_data_without_validation(tmp_path):
    ours = config()
    choose_data(ours, write_coco(tmp_path / "a.json", ["cat"]))
    assert ours.model.num_classes == 1
    assert ours.val_dataloader is ours.val_evaluator is ours.val_cfg is None


def test_validation_data_are_read_in_the_training_classes(tmp_path):
    ours = config()
    train = write_coco(tmp_path / "a.json", ["cat", "dog"])
    choose_data(ours, train, None, write_coco(tmp_path / "b.json", ["dog", "cat"]), "photos")
    assert ours.val_dataloader.dataset.classes == ["cat", "dog"]
    assert ours.test_dataloader.dataset.image_dir == "photos"
    assert "classes" not in ours.train_dataloader.dataset  # its own order


def test_formats_may_differ(tmp_path):
    ours = config()
    choose_data(
        ours,
        write_coco(tmp_path / "a.json", ["dog", "cat"]),
        val_data=write_voc(tmp_path / "voc", "cat"),
    )
    assert ours.val_dataloader.dataset.type == "cascadekit.VOCDataset"
    assert ours.val_dataloader.dataset.classes == ["dog", "cat"]
    assert "ann_file" not in ours.val_dataloader.dataset


def test_other_test_data_for_a_checkpoint(tmp_path):
    ours = config()
    json_file = write_coco(tmp_path / "a.json", ["dog", "cat"])
    choose_data(ours, val_data=json_file, classes=("cat", "dog"))
    assert ours.model.num_classes == 2
    assert ours.test_dataloader.dataset.classes == ["cat", "dog"]
    assert ours.train_dataloader.dataset.ann_file == "old.json"


def test_a_config_without_validation_keeps_none(tmp_path):
    ours = config()
    ours.val_dataloader = None
    choose_data(ours, "shapes")
    assert ours.val_dataloader is None
    assert ours.test_dataloader.dataset.split == "val"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("gone", (None, "gone", None)),
        ("gone:train", (None, "gone:train", None)),  # no such folder: all of it is the path
        ("kitti:gone", ("kitti", "gone", None)),
        ("{}", (None, "{}", None)),
        ("{}:train", (None, "{}", "train")),
        ("kitti:{}", ("kitti", "{}", None)),
        ("kitti:{}:train", ("kitti", "{}", "train")),
        ("{}/a:b", (None, "{}/a:b", None)),  # is there as it stands
    ],
)
def test_parts_of_a_name(tmp_path, name, parts):
    (tmp_path / "a:b").mkdir()
    kind, path, split = parts
    wanted = NamedData(kind, path.format(tmp_path), split)
    assert parse_data(name.format(tmp_path)) == wanted


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("kitti:val", (None, "kitti", "val")),  # a folder of that name, and its split
        ("kitti:kitti:val", ("kitti", "kitti", "val")),
        ("kitti:other", ("kitti", "other", None)),
        ("kitti", (None, "kitti", None)),
        ("voc:kitti", ("voc", "kitti", None)),
        ("voc:gone", ("voc", "gone", None)),
    ],
)
def test_a_folder_with_the_name_of_a_format(tmp_path, monkeypatch, name, parts):
    monkeypatch.chdir(tmp_path)
    for folder in ("kitti", "other"):
        (tmp_path / folder).mkdir()
    assert parse_data(name) == NamedData(*parts)


SETS = {
    "kitti": (
        lambda root: makers.kitti(root, splits={"train": ["000000"], "val": ["000002"]}),
        ("Car", "Pedestrian", "Cyclist"),
    ),
    "labels": (makers.label_set, ("object",)),
    "voc": (lambda root: makers.voc(root, {"train": ["a"], "val": ["b"]}), ("cat", "dog")),
}


@pytest.mark.parametrize("kind", SETS)
def test_a_folder_with_splits(tmp_path, kind):
    """It trains on one split, validates on the other, and the class count follows."""
    make, classes = SETS[kind]
    ours = config()
    choose_data(ours, str(make(tmp_path)))
    assert ours.model.num_classes == len(classes)
    train, val = ours.train_dataloader.dataset, ours.val_dataloader.dataset
    assert train.type == val.type and train.pipeline == ["kept"] and val.test_mode
    differ = {key for key in (*train, *val) if train.get(key) != val.get(key)}
    assert differ <= {"split", "split_file", "min_size", "test_mode", "classes"}
    assert {"split", "split_file"} & differ
    assert val.classes == list(classes)
    assert ours.val_cfg is not None


def test_a_split_named(tmp_path):
    root = str(SETS["voc"][0](tmp_path))
    ours = config()
    choose_data(ours, f"voc:{root}:all")
    assert "split_file" not in ours.train_dataloader.dataset
    assert ours.val_dataloader is None  # who names a split names what to validate on
    assert not has_validation(f"{root}:train") and has_validation(root)
    chosen = dataset_config(f"{root}:val", None, "train", None)
    assert chosen["split_file"] == f"{root}/ImageSets/Main/val.txt"


def test_a_folder_without_splits_does_not_validate(tmp_path):
    assert not has_validation(str(makers.voc(tmp_path)))


def test_what_was_found_is_said(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(data_choice, "print_log", lambda text, logger: said.append(text))
    root = SETS["kitti"][0](tmp_path)
    dataset_config(str(root), None, "val", None)
    assert said == [f"--data {root}: KITTI object (image_2, label_2), split val of all, train, val"]


@pytest.mark.parametrize("form", ["folder", "faces"])
def test_sets_of_one_class(tmp_path, form):
    if form == "folder":
        makers.city_pictures(tmp_path)
        makers.city_folder(tmp_path)
    else:
        makers.wider_pictures(tmp_path, "train")
        makers.wider_text(tmp_path / "wider_face_split/wider_face_train_bbx_gt.txt")
    ours = config()
    choose_data(ours, str(tmp_path))
    assert ours.model.num_classes == 1


@pytest.mark.parametrize(
    ("metric", "data", "expected"),
    [
        ("KittiMetric", "kitti", "KittiMetric"),  # the benchmark's own data
        ("KittiMetric", "voc", "CocoMetric"),  # others have no such rows
        ("WiderFaceMetric", "kitti", "CocoMetric"),
        ("CocoMetric", "kitti", "CocoMetric"),  # whoever wants COCO's has it
        ("VocMetric", "labels", "VocMetric"),  # needs nothing that others lack
    ],
)
def test_a_metric_of_one_benchmark_is_not_asked_of_others(tmp_path, metric, data, expected):
    ours = config()
    ours.val_evaluator = ours.test_evaluator = dict(type=f"cascadekit.{metric}")
    choose_data(ours, val_data=str(SETS[data][0](tmp_path)))
    assert ours.val_evaluator.type == ours.test_evaluator.type == f"cascadekit.{expected}"


def test_pictures_elsewhere(tmp_path):
    root = makers.kitti(tmp_path)
    chosen = dataset_config(str(root), "photos", "train", None)
    assert chosen["image_dir"] == "photos" and chosen["label_dir"].endswith("label_2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}:vall", "has no split 'vall', it has: all, train, val. Did you mean 'val'"),
        ("kitti:{}", "has no data in a format known here as kitti"),
    ],
)
def test_faults_of_a_choice(tmp_path, name, message):
    root = SETS["voc"][0](tmp_path)
    with pytest.raises(InputError, match=rf"^--data .*{message}"):
        dataset_config(name.format(root), None, "train", None)


def test_a_choice_that_is_not_plain(tmp_path):
    """Two json files whose names say nothing: the message shows how to name one."""
    for name in ("a", "b"):
        write_coco(tmp_path / f"{name}.json", ["cat"])
    with pytest.raises(
        InputError, match=rf"plainly for train; choose one of a, b: --data {tmp_path}:a"
    ):
        dataset_config(str(tmp_path), None, "train", None)
