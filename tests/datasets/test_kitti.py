"""KITTI's labels: values, regions, and one clear error per fault."""

import re

import pytest
import torch

from cascadekit.datasets import KittiDataset, read_kitti_classes
from cascadekit.datasets.kitti_files import read_kitti_labels
from cascadekit.errors import InputError
from cascadekit.evaluation.kitti_ap import KittiDetections, KittiTruth, evaluate_kitti
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE, IoUAssigner
from cascadekit.registry import DATASETS
from cascadekit.structures.samples import to_targets
from tests.datasets import makers
from tests.datasets.makers import CAR, REGION


def build(root, **arguments):
    base = root / "training"
    return KittiDataset(str(base / "image_2"), str(base / "label_2"), **arguments)


def records(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def shown(record):
    """(name, label, iscrowd, ignore) of every instance."""
    return [(i["name"], i["label"], i["iscrowd"], i["ignore"]) for i in record["instances"]]


def test_record(tmp_path):
    dataset = build(makers.kitti(tmp_path))
    assert dataset.metainfo["classes"] == ("Car", "Pedestrian", "Cyclist")
    assert dataset.metainfo["has_masks"] is False
    first, last = records(dataset)  # 000001 has only a truck: nothing to learn
    assert (first["img_id"], last["img_id"]) == ("000000", "000002")
    assert (first["width"], first["height"]) == (100, 50)
    assert first["img_path"].endswith("image_2/000000.png")
    car, walker, *_ = first["instances"]
    assert car == {
        "bbox": [10.0, 10.0, 60.0, 40.0],  # as written: KITTI counts from 0
        "label": 0,
        "area": 1500.0,
        "iscrowd": 0,
        "ignore": 0,
        "segmentation": None,
        "name": "Car",
        "truncated": 0.0,
        "occluded": 0.0,
    }
    assert (walker["truncated"], walker["occluded"]) == (0.3, 1.0)
    assert shown(first)[2:] == [
        ("Van", 0, 0, 1),  # like a car
        ("DontCare", 0, 1, 1),  # for every class, and what lies inside it
        ("DontCare", 1, 1, 1),
        ("DontCare", 2, 1, 1),
    ]
    assert shown(last) == [("Person_sitting", 1, 0, 1), ("Car", 0, 0, 0)]
    assert dataset.get_cat_ids(0) == [0, 1]


@pytest.mark.parametrize(
    ("classes", "ignored", "expected"),
    [
        # neighbours of the classes that are used
        (["Car"], None, [("Car", 0, 0, 0), ("Van", 0, 0, 1), ("DontCare", 0, 1, 1)]),
        # a neighbour that is a class itself
        (
            ["Car", "Van"],
            None,
            [("Car", 0, 0, 0), ("Van", 1, 0, 0), ("DontCare", 0, 1, 1), ("DontCare", 1, 1, 1)],
        ),
        # no neighbour of what is used: nobody's, so everybody's
        (
            ["Pedestrian", "Cyclist"],
            ["Car"],
            [
                *(("Car", 0, 0, 1), ("Car", 1, 0, 1), ("Pedestrian", 0, 0, 0)),
                *(("DontCare", 0, 1, 1), ("DontCare", 1, 1, 1)),
            ],
        ),
        # only the regions are ignored
        (["Car"], [], [("Car", 0, 0, 0), ("DontCare", 0, 1, 1)]),
    ],
)
def test_classes_and_what_is_ignored(tmp_path, classes, ignored, expected):
    dataset = build(makers.kitti(tmp_path), classes=classes, ignore_classes=ignored)
    assert shown(dataset.get_data_info(0)) == expected


def test_training_sees_a_region_once(tmp_path):
    """And the detector neither learns from it nor takes it for background."""
    dataset = build(makers.kitti(tmp_path), pipeline=[*PIPELINE])
    packed = dataset[0]["data_samples"]
    assert packed.gt_instances.bboxes.tolist() == [[10, 10, 60, 40], [70.5, 5.25, 80.5, 45.25]]
    assert packed.ignored_instances.bboxes.tolist() == [[62, 20, 69, 30], [20, 2, 30, 8]]
    assert "devkit" not in packed


PIPELINE = [dict(type="cascadekit.LoadImage"), dict(type="cascadekit.PackInputs", with_masks=False)]


def test_boxes_in_a_region_are_no_background(tmp_path):
    """What the RPN and every stage make of boxes in DontCare, in a van, on a car, on the road."""
    dataset = build(makers.kitti(tmp_path), pipeline=[*PIPELINE])
    (targets,) = to_targets([dataset[0]["data_samples"]])
    boxes = torch.tensor([[21.0, 2, 29, 8], [62, 20, 69, 30], [11, 10, 60, 40], [90, 5, 99, 9]])
    kind = IoUAssigner(pos_iou=0.5).assign(boxes, targets).kind
    assert kind.tolist() == [IGNORED, IGNORED, POSITIVE, NEGATIVE]


def test_rows_go_on_to_the_evaluation(tmp_path):
    """`devkit` is what KITTI's own evaluation takes: all rows, in the file's order."""
    dataset = build(makers.kitti(tmp_path), test_mode=True, pipeline=PIPELINE)
    sample = dataset[0]["data_samples"]
    rows = sample.get("devkit")
    assert rows["names"] == ["Car", "Pedestrian", "Van", "DontCare"]
    assert rows["truncated"] == [0.0, 0.3, 0.0, -1.0] and rows["occluded"] == [0, 1, 2, -1]
    truths = [KittiTruth(**record["devkit"]) for record in records(dataset)]
    found = [KittiDetections(t.names, t.boxes, [0.9] * len(t.names)) for t in truths]
    curves = evaluate_kitti(truths, found).curves["car"]
    assert curves["easy"].objects == 0  # 30 px are too low for it
    assert curves["moderate"].objects == 2 and curves["moderate"].true_positives[-1] == 2
    assert curves["moderate"].false_positives[-1] == 0  # also not for the van


def test_split_file(tmp_path):
    root = makers.kitti(tmp_path, splits={"val": ["000002", "000001"]})
    dataset = build(root, split_file=str(root / "ImageSets/val.txt"), test_mode=True)
    assert [r["img_id"] for r in records(dataset)] == ["000002", "000001"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Car"], ("Car", "Pedestrian", "Cyclist")),
        (["Tram"], ("Car", "Pedestrian", "Cyclist")),  # KITTI's, though not of the three
        (["nut", "bolt"], ("bolt", "nut")),  # others' data in the same format
        ([], ("Car", "Pedestrian", "Cyclist")),
    ],
)
def test_standard_classes(tmp_path, names, expected):
    rows = [CAR.replace("Car", name) for name in names]
    root = makers.kitti(tmp_path, {"a": [*rows, REGION]})
    assert read_kitti_classes(str(root / "training/label_2")) == expected
    assert build(root, test_mode=True).metainfo["classes"] == expected


@pytest.mark.parametrize(("more", "score"), [("", None), (" -1.25", -1.25)])
def test_columns(tmp_path, more, score):
    (row,) = read_kitti_labels(makers.text(tmp_path / "a.txt", CAR + more, "", "  "))
    assert (row.name, row.box, row.score) == ("Car", (10, 10, 60, 40), score)
    (row,) = read_kitti_labels(makers.text(tmp_path / "b.txt", f"12 -1 {CAR}{more}"))
    assert (row.frame, row.track, row.name, row.score) == (12, -1, "Car", score)


def test_empty_boxes_and_files(tmp_path):
    flat = CAR.replace("60.00 40.00", "60.00 10.00")
    far = CAR.replace("10.00 10.00 60.00 40.00", "210.00 10.00 260.00 40.00")
    dataset = build(makers.kitti(tmp_path, {"a": [flat, far], "b": []}), test_mode=True)
    a, b = records(dataset)
    assert a["instances"] == b["instances"] == [] and dataset.tally.empty == 2
    assert len(a["devkit"]["boxes"]) == 2  # the evaluation still sees what is written
    assert b["devkit"]["boxes"] == []


def test_tracking(tmp_path):
    base = makers.kitti_tracking(tmp_path) / "training"
    arguments = (str(base / "image_02"), str(base / "label_02"))
    first, empty, last = records(KittiDataset(*arguments, test_mode=True))
    assert [r["img_id"] for r in (first, empty, last)] == [f"0004/{k:06d}" for k in range(3)]
    assert first["instances"][0]["track"] == 7 and empty["instances"] == []
    assert shown(last) == [("Car", 0, 0, 0), ("Person", 1, 0, 1)]  # tracking's Person_sitting
    split = makers.text(tmp_path / "val.txt", "0004")
    assert len(KittiDataset(*arguments, split_file=str(split))) == 2  # those with objects


BAD = [
    (CAR.rsplit(" ", 1)[0], r"line 1: expected 15 or 16 columns .*got 14: 'Car"),
    (f"{CAR} 1 2 3", r"expected 15 or 16 columns .*got 18.*row of the tracking benchmark"),
    (f"0 1 {CAR}", r"got 17.*row of the tracking benchmark"),
    (CAR.replace("60.00", "wide"), r"line 1: x2 must be a finite number, got 'wide'"),
    (CAR.replace("60.00", "nan"), r"x2 must be a finite number, got 'nan'"),
    (CAR.replace("-1.57", "inf"), r"alpha must be a finite number, got 'inf'"),
    (CAR.replace("Car 0.00", "Car none"), r"truncated must be a finite number, got 'none'"),
    ("\n" + CAR.replace(" 0 ", " visible "), r"line 2: occluded must be a finite number"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_faults_of_a_row(tmp_path, row, message):
    with pytest.raises(InputError, match=rf"a\.txt, {message}" if "line" in message else message):
        build(makers.kitti(tmp_path, {"a": [row]}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([CAR], "got 15.*row of the object benchmark"),
        ([f"one 7 {CAR}"], "line 1: frame must be a whole number, got 'one'"),
        ([f"0 7.5 {CAR}"], "track must be a whole number, got '7.5'"),
        ([f"-1 7 {CAR}"], "frame must be 0 or more, got -1"),
        ([f"9 7 {CAR}"], r"0004\.txt has objects in frame 9, but .*0004 has no picture"),
    ],
)
def test_faults_of_tracking(tmp_path, rows, message):
    base = makers.kitti_tracking(tmp_path) / "training"
    makers.text(base / "label_02/0004.txt", *rows)
    with pytest.raises(InputError, match=message):
        KittiDataset(str(base / "image_02"), str(base / "label_02"))


def test_pictures_of_a_sequence_are_named_by_frame(tmp_path):
    base = makers.kitti_tracking(tmp_path) / "training"
    makers.picture(base / "image_02/0004/last.png")
    with pytest.raises(InputError, match="pictures must be named by frame, got 'last'"):
        KittiDataset(str(base / "image_02"), str(base / "label_02"))


def spoil(root, what):
    base = root / "training"
    if what == "picture":
        (base / "image_2/000001.png").unlink()
    elif what == "damaged":
        (base / "image_2/000001.png").write_bytes(b"not a picture")
    elif what == "binary":
        (base / "label_2/000001.txt").write_bytes(b"\xff\xfe\x00\x81")
    elif what == "labels":
        for file in (base / "label_2").iterdir():
            file.unlink()
    return root


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("picture", r"no picture for .*000001\.txt: looked in .*image_2.* for 000001 with \.jpg"),
        ("damaged", r"000001\.png is not a picture that can be read"),
        ("binary", r"000001\.txt is not a text file .*expected a KITTI label file"),
        ("labels", r"folder of KITTI labels has no \.txt files.*label_2 \(object\)"),
    ],
)
def test_faults_of_the_files(tmp_path, what, message):
    with pytest.raises(InputError, match=message):
        build(spoil(makers.kitti(tmp_path), what), test_mode=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["car"]}, "class 'car' is not in .*Did you mean 'Car'"),
        ({"ignore_classes": ["Vans"]}, r"'Vans' is not in .*ignore_classes.*Did you mean 'Van'"),
        ({"ignore_classes": ["Car"]}, "'Car' is in classes and in ignore_classes"),
        ({"split_file": "gone.txt"}, "split file not found: 'gone.txt'"),
        ({"classes": ["Tram"]}, "leaves no picture to use"),
    ],
)
def test_faults_of_the_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        build(makers.kitti(tmp_path), **arguments)


def test_a_split_that_lists_what_is_not_there(tmp_path):
    root = makers.kitti(tmp_path, splits={"val": ["000009"]})
    with pytest.raises(InputError, match=r"lists '000009', but there is no .*000009\.txt"):
        build(root, split_file=str(root / "ImageSets/val.txt"))


def test_missing_folders(tmp_path):
    with pytest.raises(InputError, match="folder of pictures not found"):
        KittiDataset(str(tmp_path / "image_2"), str(tmp_path))
    with pytest.raises(InputError, match=re.escape("folder of KITTI labels not found")):
        KittiDataset(str(tmp_path), str(tmp_path / "label_2"))


def test_registered():
    assert DATASETS.get("KittiDataset") is KittiDataset
