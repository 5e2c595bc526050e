"""CityPersons in its three forms: values, regions, and one clear error per fault."""

import builtins
import json

import numpy as np
import pytest

from cascadekit.datasets import CityPersonsDataset
from cascadekit.datasets.citypersons_files import LABELS, read_citypersons
from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.miss_rate import PersonTruth, evaluate_miss_rate
from cascadekit.registry import DATASETS
from tests.datasets import makers

WRITERS = {
    "mat": lambda root: makers.city_mat(root / "annotations/anno_train.mat"),
    "json": lambda root: makers.city_json(root / "train_gt.json"),
    "folder": makers.city_folder,
}


def write(root, form="mat"):
    """Pictures and annotations; the path of the annotations."""
    if form == "mat":
        pytest.importorskip("scipy")
    makers.city_pictures(root)
    return WRITERS[form](root)


def build(root, file, **arguments):
    return CityPersonsDataset(str(root / "leftImg8bit/train"), str(file), **arguments)


def records(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.mark.parametrize("form", WRITERS)
def test_record(tmp_path, form):
    dataset = build(tmp_path, write(tmp_path, form), test_mode=True)
    assert dataset.metainfo["classes"] == ("pedestrian",)
    assert dataset.metainfo["category_ids"] == (1,)
    first, empty, last = records(dataset)
    assert [r["img_id"] for r in (first, empty, last)] == [1, 2, 3]
    assert first["img_path"].endswith("train/aachen/aachen_000000_000019_leftImg8bit.png")
    assert (first["width"], first["height"]) == (100, 50)
    pedestrian, rider, region = first["instances"]
    assert pedestrian == {
        "bbox": [10.0, 5.0, 30.0, 45.0],  # x y w h in the file
        "label": 0,
        "area": 800.0,
        "iscrowd": 0,
        "ignore": 0,
        "segmentation": None,
        "name": "pedestrian",
        "visible_bbox": [10.0, 5.0, 30.0, 35.0],
        "visible_ratio": 0.75,
    }
    # val_gt.json does not say what an ignored box is.
    assert rider["name"] == ("ignore" if form == "json" else "rider")
    assert [(i["iscrowd"], i["ignore"]) for i in (rider, region)] == [(1, 1), (1, 1)]
    assert region["bbox"] == [60, 0, 90, 10]
    assert empty["instances"] == [] and empty["devkit"]["boxes_xywh"] == []
    assert [i["bbox"] for i in last["instances"]] == [[5, 5, 15, 25], [50, 10, 90, 40]]
    assert all(i["ignore"] for i in last["instances"])
    assert len(build(tmp_path, dataset.source)) == 1  # one picture has something to learn


@pytest.mark.parametrize("form", WRITERS)
def test_rows_go_on_to_the_evaluation(tmp_path, form):
    dataset = build(tmp_path, write(tmp_path, form), test_mode=True)
    rows = [record["devkit"] for record in records(dataset)]
    assert rows[0] == {
        "boxes_xywh": [[10, 5, 20, 40], [40, 10, 10, 20], [60, 0, 30, 10]],
        "visible": [0.75, 1.0, 1.0],
        "ignored": [False, True, True],
    }
    truths = [PersonTruth(**row) for row in rows]
    found = [ScoredBoxes(t.boxes_xywh, [0.9] * len(t.boxes_xywh)) for t in truths]
    curve = evaluate_miss_rate(truths, found).curves["All"][0.5]
    assert (curve.objects, curve.images) == (1, 3)
    assert curve.recall.tolist() == [1.0]  # no false positive: the rest lies in ignored boxes


@pytest.mark.parametrize(
    ("classes", "ignored", "expected"),
    [
        (["pedestrian", "rider"], None, [("pedestrian", 0, 0), ("rider", 1, 0)]),
        (["rider"], ["pedestrian"], [("pedestrian", 0, 1), ("rider", 0, 0)]),
        (["pedestrian"], [], [("pedestrian", 0, 0)]),  # riders are background
    ],
)
def test_classes_and_what_is_ignored(tmp_path, classes, ignored, expected):
    file = write(tmp_path, "folder")
    dataset = build(tmp_path, file, classes=classes, ignore_classes=ignored)
    shown = [(i["name"], i["label"], i["ignore"]) for i in dataset.get_data_info(0)["instances"]]
    regions = [("ignore", k, 1) for k in range(len(classes))]
    assert shown == [*expected, *regions]
    assert dataset.metainfo["category_ids"] == tuple(LABELS.index(name) for name in classes)


def test_training_ignores_regions(tmp_path):
    pipeline = [
        dict(type="cascadekit.LoadImage"),
        dict(type="cascadekit.PackInputs", with_masks=False),
    ]
    sample = build(tmp_path, write(tmp_path, "json"), pipeline=pipeline)[0]["data_samples"]
    assert sample.gt_instances.bboxes.tolist() == [[10, 5, 30, 45]]
    assert sample.ignored_instances.bboxes.tolist() == [[40, 10, 50, 30], [60, 0, 90, 10]]


def test_pictures_in_no_folder(tmp_path):
    file = write(tmp_path, "json")
    for stem in makers.PERSONS:
        makers.picture(tmp_path / f"flat/{stem}_leftImg8bit.png")
    dataset = CityPersonsDataset(str(tmp_path / "flat"), str(file))
    assert dataset.get_data_info(0)["img_path"] == str(
        tmp_path / "flat/aachen_000000_000019_leftImg8bit.png"
    )


def test_ratio_of_the_json_is_taken_as_it_is(tmp_path):
    """The limits of the subsets are inclusive: a ratio worked out again may cross one."""
    file = write(tmp_path, "json")
    data = json.loads(file.read_text())
    data["annotations"][0]["vis_ratio"] = 0.65
    del data["annotations"][1]["vis_bbox"]
    file.write_text(json.dumps(data))
    first = build(tmp_path, file).get_data_info(0)
    assert first["devkit"]["visible"][0] == first["instances"][0]["visible_ratio"] == 0.65
    assert first["instances"][1]["visible_bbox"] is None


def test_empty_boxes(tmp_path):
    persons = {"aachen_000000_000019": [[1, 10, 5, 0, 40, 0, 10, 5, 0, 40]]}
    makers.city_pictures(tmp_path, persons=persons)
    pytest.importorskip("scipy")
    file = makers.city_mat(tmp_path / "anno_train.mat", persons)
    dataset = build(tmp_path, file, test_mode=True)
    record = dataset.get_data_info(0)
    assert record["instances"] == [] and dataset.tally.empty == 1
    assert record["devkit"]["visible"] == [1.0]


def test_another_name_of_the_variable(tmp_path):
    pytest.importorskip("scipy")
    file = makers.city_mat(tmp_path / "anno_val.mat", name="anno_val_aligned")
    assert [p.number for p in read_citypersons(file)] == [1, 2, 3]


def change(file, edit):
    data = json.loads(file.read_text())
    edit(data)
    file.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("images"), "has no list 'images', it has: annotations, categories"),
        (lambda d: d["images"][1].pop("im_name"), r"images\[1\] needs id and im_name"),
        (lambda d: d["images"][1].update(id=1), "image id 1 is given twice"),
        (lambda d: d["annotations"][0].update(image_id=9), r"annotations\[0\] needs the image_id"),
        (lambda d: d["annotations"][2].pop("bbox"), r"annotations\[2\]: bbox must be 4 numbers"),
        (
            lambda d: d["annotations"][0].update(bbox=[1, 2, 3]),
            r"bbox must be 4 numbers .*got \[1, 2, 3\]",
        ),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 3, "x"]), "bbox must be 4 numbers"),
        (lambda d: d["annotations"][0].update(vis_bbox=None), "vis_bbox must be 4 numbers"),
        (
            lambda d: d["annotations"][0].update(vis_ratio="all"),
            "vis_ratio must be a finite number",
        ),
        (lambda d: d["annotations"][0].update(category_id=6), "category_id must be 0..5, got 6"),
    ],
)
def test_faults_of_the_json(tmp_path, edit, message):
    file = write(tmp_path, "json")
    change(file, edit)
    with pytest.raises(InputError, match=rf"train_gt\.json.*{message}"):
        build(tmp_path, file)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not json.*download complete"), ("[]", "holds a list, expected a dict")],
)
def test_no_json(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_citypersons(makers.text(tmp_path / "val_gt.json", content))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[7, 1, 1, 5, 5, 0, 1, 1, 5, 5]], r"row 1: class_label must be 0\.\.5, got 7"),
        ([[1, 1, 1, 5, 5]], r"bbs must be numbers of 10 columns, got float64 \(1, 5\)"),
        ([[1, 1, np.nan, 5, 5, 0, 1, 1, 5, 5]], "bbs: row 1 has a number that is not finite"),
    ],
)
def test_faults_of_the_mat(tmp_path, rows, message):
    pytest.importorskip("scipy")
    file = makers.city_mat(tmp_path / "anno_train.mat", {"a_b": [], "ulm_x": rows})
    with pytest.raises(InputError, match=rf"anno_train\.mat, picture 2 \(ulm_x.*{message}"):
        read_citypersons(file)


def test_faults_around_the_mat(tmp_path):
    io = pytest.importorskip("scipy.io")
    io.savemat(tmp_path / "other.mat", {"boxes": np.zeros(3)})
    with pytest.raises(InputError, match="no variable 'other_aligned', it has: boxes"):
        read_citypersons(tmp_path / "other.mat")
    io.savemat(tmp_path / "flat.mat", {"anno": np.zeros((1, 3))})
    with pytest.raises(InputError, match="picture 1: expected a struct with im_name and bbs"):
        read_citypersons(tmp_path / "flat.mat")
    with pytest.raises(InputError, match=r"not a MATLAB file that scipy can read.*-v7"):
        read_citypersons(makers.text(tmp_path / "cut.mat", "MATLAB 7.3"))
    with pytest.raises(InputError, match=r"not found: .*Did you mean 'other\.mat'"):
        read_citypersons(tmp_path / "others.mat")


def test_without_scipy(tmp_path, monkeypatch):
    """The message says what to install, and the other forms need it not."""
    real = builtins.__import__

    def refuse(name, *rest):
        if name.split(".")[0] == "scipy":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"anno_train\.mat is a MATLAB file.*pip install scipy"):
        read_citypersons(tmp_path / "anno_train.mat")
    assert len(read_citypersons(makers.city_json(tmp_path / "val_gt.json"))) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "has no list 'objects'"),
        ({"objects": [{"label": "person"}]}, r"objects\[0\]: label must be one of ignore, pede"),
        ({"objects": ["x"]}, r"objects\[0\]: label must be one of"),
        ({"objects": [{"label": "rider"}]}, r"objects\[0\]: bbox must be 4 numbers"),
    ],
)
def test_faults_of_the_folder(tmp_path, content, message):
    folder = makers.city_folder(tmp_path)
    makers.text(folder / "aachen/aachen_000000_000019_gtBboxCityPersons.json", json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_citypersons(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["person"]}, "class 'person' is not in LABELS, which has: pedestrian, rider"),
        ({"ignore_classes": ["riders"]}, r"'riders' is not in LABELS \(ignore_classes\).*'rider'"),
        ({"ignore_classes": ["pedestrian"]}, "'pedestrian' is in classes and in ignore_classes"),
    ],
)
def test_faults_of_the_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        build(tmp_path, write(tmp_path, "json"), **arguments)


def test_missing_files(tmp_path):
    file = write(tmp_path, "json")
    with pytest.raises(InputError, match=r"annotation file not found.*gtBboxCityPersons/train"):
        build(tmp_path, tmp_path / "gone.json")
    with pytest.raises(InputError, match=r"has no files \*_gtBboxCityPersons\.json"):
        build(tmp_path, tmp_path / "leftImg8bit")
    with pytest.raises(InputError, match="folder of pictures not found"):
        CityPersonsDataset(str(tmp_path / "gone"), str(file))
    makers.picture(tmp_path / "leftImg8bit/val/bonn/x.png")
    with pytest.raises(
        InputError, match=r"neither .*aachen.* of the same split \(folders there: bonn"
    ):
        CityPersonsDataset(str(tmp_path / "leftImg8bit/val"), str(file))


def test_registered():
    assert DATASETS.get("CityPersonsDataset") is CityPersonsDataset
