"""What is recognised from the files alone, and what is asked instead of guessed."""

import json

import pytest

from cascadekit.datasets.layouts import FORMATS, find_layout
from cascadekit.errors import InputError
from cascadekit.registry import DATASETS
from tests.datasets import makers


def coco(file, names=("cat",)):
    categories = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    images = [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]
    data = {"images": images, "annotations": annotations, "categories": categories}
    makers.picture(file.parent / "a.jpg")
    return makers.text(file, json.dumps(data))


def cities(root):
    for split, write in (("train", makers.city_folder), ("val", None)):
        makers.city_pictures(root, split)
        if write is not None:
            write(root, split)
    makers.city_json(root / "annotations/val_gt.json")
    return root


def faces(root):
    for split in ("train", "val"):
        makers.wider_pictures(root, split)
        makers.wider_text(root / f"wider_face_split/wider_face_{split}_bbx_gt.txt")
    return root


def photos(root):
    """VOC xml beside the pictures, in train/ and test/."""
    for part in ("train", "test"):
        source = makers.voc(root / "tmp" / part)
        (root / part).mkdir(parents=True)
        for file in [*source.glob("JPEGImages/*"), *source.glob("Annotations/*")]:
            file.rename(root / part / file.name)
    return root


# name, maker, kind, splits, for training, for validation, type of the reader
LAYOUTS = [
    ("kitti", lambda r: makers.kitti(r), "kitti", ["all"], "all", "all", "Kitti"),
    (
        "kitti with lists",
        lambda r: makers.kitti(r, splits={"train": ["000000"], "val": ["000002"], "test": ["9"]}),
        "kitti",
        ["all", "train", "val"],  # the test pictures have no labels
        "train",
        "val",
        "Kitti",
    ),
    (
        "tracking",
        lambda r: makers.kitti_tracking(r),
        "kitti-tracking",
        ["all"],
        "all",
        "all",
        "Kitti",
    ),
    ("cities", cities, "citypersons", ["train", "val"], "train", "val", "CityPersons"),
    ("faces", faces, "widerface", ["train", "val"], "train", "val", "WiderFace"),
    (
        "label pictures",
        lambda r: makers.label_set(r),
        "labels",
        ["all", "train", "val"],
        "train",
        "val",
        "LabelPNG",
    ),
    (
        "label pictures without an index",
        lambda r: makers.label_set(r, splits=None),
        "labels",
        ["all"],
        "all",
        "all",
        "LabelPNG",
    ),
    ("voc", lambda r: makers.voc(r), "voc", ["all"], "all", "all", "VOC"),
    (
        "voc 2007",  # as the paper uses it: trainval to train, test to test
        lambda r: makers.voc(r, {"trainval": ["a"], "test": ["b"], "val": []}),
        "voc",
        ["all", "trainval", "test"],
        "trainval",
        "test",
        "VOC",
    ),
    (
        "voc with all lists",
        lambda r: makers.voc(
            r, {"train": ["a"], "val": ["b"], "trainval": ["a", "b"], "test": ["zz"]}
        ),
        "voc",
        ["all", "train", "val", "trainval"],  # no xml of the test set
        "train",
        "val",
        "VOC",
    ),
    ("photos", photos, "voc", ["train", "test"], "train", "test", "VOC"),
    (
        "one json",
        lambda r: coco(r / "_annotations.coco.json").parent,
        "coco",
        ["all"],
        "all",
        "all",
        "Coco",
    ),
    (
        "json by split",
        lambda r: coco(coco(r / "my_train.json").with_name("my_val.json")).parent,
        "coco",
        ["my_train", "my_val"],
        "my_train",
        "my_val",
        "Coco",
    ),
    (
        "coco itself",
        lambda r: (
            [coco(r / f"{s}/x.json").rename(r / f"{s}/x") for s in ("train2017", "val2017")]
            + [coco(r / f"annotations/instances_{s}2017.json") for s in ("train", "val")]
        )[-1].parents[1],
        "coco",
        ["train2017", "val2017"],
        "train2017",
        "val2017",
        "Coco",
    ),
]


@pytest.mark.parametrize(
    ("maker", "kind", "splits", "train", "val", "reader"),
    [row[1:] for row in LAYOUTS],
    ids=[row[0] for row in LAYOUTS],
)
def test_folders(tmp_path, maker, kind, splits, train, val, reader):
    layout = find_layout(str(maker(tmp_path)))
    assert (layout.kind, list(layout.splits)) == (kind, splits)
    assert (layout.choose("train"), layout.choose("val")) == (train, val)
    for config in layout.splits.values():
        assert config["type"] == f"cascadekit.{reader}Dataset"
        assert len(DATASETS.build({**config, "test_mode": True})) > 0  # and it can be read


def test_masks_of_voc(tmp_path):
    root = makers.voc(tmp_path)
    (root / "SegmentationObject").mkdir()
    makers.text(root / "ImageSets/Segmentation/train.txt", "a")
    split = find_layout(str(root)).splits["segmentation-train"]
    assert split["mask_dir"] == str(root / "SegmentationObject")
    assert split["split_file"] == str(root / "ImageSets/Segmentation/train.txt")


def test_mats(tmp_path):
    pytest.importorskip("scipy")
    makers.city_pictures(tmp_path)
    makers.city_mat(tmp_path / "annotations/anno_train.mat")
    layout = find_layout(str(tmp_path))
    assert layout.kind == "citypersons" and list(layout.splits) == ["train"]
    assert layout.splits["train"]["ann_file"].endswith("anno_train.mat")
    makers.wider_pictures(tmp_path / "w")
    makers.wider_mat(tmp_path / "w/wider_face_split/wider_face_val.mat")
    makers.wider_subsets(tmp_path / "w/eval_tools/ground_truth")
    val = find_layout(str(tmp_path / "w")).splits["val"]
    assert val["subset_dir"] == str(tmp_path / "w/eval_tools/ground_truth")
    assert DATASETS.build({**val, "test_mode": True}).get_data_info(0)["devkit"]


@pytest.mark.parametrize("form", ["json", "mat", "text", "faces mat", "coco"])
def test_files(tmp_path, form):
    if "mat" in form:
        pytest.importorskip("scipy")
    makers.city_pictures(tmp_path, "val")
    makers.wider_pictures(tmp_path)
    kind, file = {
        "json": lambda: ("citypersons", makers.city_json(tmp_path / "annotations/val_gt.json")),
        "mat": lambda: ("citypersons", makers.city_mat(tmp_path / "anno/anno_val.mat")),
        "text": lambda: ("widerface", makers.wider_text(tmp_path / "s/wider_face_val_bbx_gt.txt")),
        "faces mat": lambda: ("widerface", makers.wider_mat(tmp_path / "s/wider_face_val.mat")),
        "coco": lambda: ("coco", coco(tmp_path / "c/ann.json")),
    }[form]()
    layout = find_layout(str(file))
    assert layout.kind == kind
    assert len(DATASETS.build({**layout.splits["all"], "test_mode": True})) > 0


def test_two_formats_in_one_folder(tmp_path):
    makers.kitti(tmp_path)
    makers.voc(tmp_path)
    ways = rf"2 ways, choose one: PASCAL VOC .*: voc:{tmp_path}; KITTI object .*: kitti:{tmp_path}"
    with pytest.raises(InputError, match=ways):
        find_layout(str(tmp_path))
    assert find_layout(str(tmp_path), "voc").kind == "voc"
    assert find_layout(str(tmp_path), "kitti").kind == "kitti"


def test_two_splits_that_could_be_meant(tmp_path):
    for name in ("a", "b"):
        coco(tmp_path / f"{name}.json")
    layout = find_layout(str(tmp_path))
    assert layout.choose("train") is None and layout.choose("val") is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda r: None, r"has no data in a format known here \(it has: nothing\)"),
        (lambda r: makers.text(r / "notes.md", "x"), r"\(it has: notes\.md\)\. Expected one of"),
        # the level below
        (lambda r: makers.voc(r / "VOC2007"), r"Did you mean .*VOC2007 \(PASCAL VOC"),
        (
            lambda r: [
                (r / "images").mkdir(),
                makers.text(r / "labels/a.txt", "0 .5 .5 .1 .1"),
            ],
            r"YOLO's \.txt labels are not read: export as COCO json",
        ),
    ],
)
def test_nothing_recognised(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(InputError, match=message):
        find_layout(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("gone", None, "no such file or folder: 'gone'"),
        (".", "kiti", "no format 'kiti': choose of coco, voc, .* Did you mean 'kitti'"),
    ],
)
def test_faults(path, kind, message):
    with pytest.raises(InputError, match=message):
        find_layout(path, kind)


def test_files_that_are_no_annotations(tmp_path):
    with pytest.raises(InputError, match=r"notes\.txt is no annotation file known here: expected"):
        find_layout(str(makers.text(tmp_path / "notes.txt", "x")))
    with pytest.raises(InputError, match="is a file, but kitti is a folder"):
        find_layout(str(tmp_path / "notes.txt"), "kitti")


def test_the_command_names_the_same_formats():
    from cascadekit.commands.convert_dataset import FORMATS as NAMES

    assert tuple(FORMATS) == NAMES
