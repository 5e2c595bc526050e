import json

import pytest

from cascadekit.data_choice import dataset_config
from cascadekit.doctor.splits import raw_sets, read_split
from tests.datasets import makers as formats
from tests.doctor import makers
from tests.doctor.makers import checks


def test_each_split_once(tmp_path):
    train = makers.coco(tmp_path / "train")
    val = makers.coco(tmp_path / "val")
    sets = raw_sets(makers.config(train, val))
    assert [(own.role, own.source) for own in sets] == [("train", str(train)), ("val", str(val))]
    # Validated on the training set: read once.
    assert [own.role for own in raw_sets(makers.config(train, train))] == ["train"]


def test_wrappers_are_looked_into(tmp_path):
    files = [makers.coco(tmp_path / str(k)) for k in range(2)]
    config = makers.config(files[0])
    inner = config.train_dataloader.dataset.to_dict()
    other = {**inner, "ann_file": str(files[1]), "image_dir": str(files[1].parent)}
    joined = {"type": "mmengine.ConcatDataset", "datasets": [inner, other]}
    config.train_dataloader.dataset = {
        "type": "mmengine.RepeatDataset",
        "times": 2,
        "dataset": joined,
    }
    assert [own.source for own in raw_sets(config)] == [str(f) for f in files]


@pytest.mark.parametrize(
    ("make", "name", "pictures"),
    [
        (formats.kitti, "kitti", 3),
        (formats.label_set, "labels", None),
        (formats.voc, "voc", None),
    ],
)
def test_every_format_is_read(tmp_path, make, name, pictures):
    root = make(tmp_path / "data")
    own = read_split(dataset_config(f"{name}:{root}:all", None, "train", None), "train")
    assert own.pictures and own.classes
    assert pictures is None or len(own.pictures) == pictures
    assert all(o.box is not None and o.label for p in own.pictures for o in p.objects)


def wider(root, *rows):
    """One picture with these rows x y w h."""
    formats.picture(root / "WIDER_train/images/0--Parade/a.jpg")
    flags = "0 0 0 0 0 0"
    lines = [f"{row} {flags}" for row in rows]
    file = root / "wider_face_split/wider_face_train_bbx_gt.txt"
    formats.text(file, "0--Parade/a.jpg", str(len(rows)), *lines)
    return root


def test_rows_of_widerface(tmp_path):
    """The dummy row is a note, a face without height a fault, and the third row a face."""
    from cascadekit.doctor.annotations import annotation_findings

    root = wider(tmp_path, "0 0 0 0", "5 5 9 0", "10 10 20 20")
    own = read_split(dataset_config(str(root), None, "train", None), "train")
    assert list(checks(own.findings)) == ["annotation.dummy"]
    assert [o.box for o in own.pictures[0].objects] == [(10, 10, 30, 30), (5, 5, 14, 5)]
    assert list(checks(annotation_findings(own, {}))) == ["box.zero_area"]


def test_what_a_reader_drops_is_told(tmp_path):
    space = formats.SPACE
    rows = [f"Car 0.00 0 0.1 90.0 10.0 140.0 40.0 {space}", f"Car 0.00 0 0.1 5 5 5 9 {space}"]
    root = formats.kitti(tmp_path, {"000000": rows})
    own = read_split(dataset_config(str(root), None, "train", None), "train")
    found = checks(own.findings)
    assert found["box.empty"].count == 1 and found["box.outside"].count == 1


def test_a_reader_that_refuses(tmp_path):
    root = formats.kitti(tmp_path, {"000000": ["Car 1 2"]})
    own = read_split(
        {
            "type": "cascadekit.KittiDataset",
            "image_dir": str(root / "training/image_2"),
            "label_dir": str(root / "training/label_2"),
        },
        "train",
    )
    (finding,) = own.findings
    assert finding.check == "file.unreadable" and "columns" in finding.what


def test_chosen_classes(tmp_path):
    file = makers.coco(tmp_path)
    config = {**dataset_config(str(file), None, "train", None), "classes": ["dog"]}
    own = read_split(config, "train")
    assert own.labels == ("dog",) and own.classes == ("cat", "dog")


def test_broken_annotations_can_be_put_into_a_config(tmp_path):
    """Where the reader stops, the doctor looks all the same."""
    file = makers.coco(tmp_path)
    data = json.loads(file.read_text())
    data["categories"].append({"id": 1, "name": "cow"})
    file.write_text(json.dumps(data))
    (own,) = raw_sets(makers.config(file))
    assert list(checks(own.findings)) == ["class.duplicate_id"]
