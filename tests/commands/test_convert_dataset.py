"""`cascadekit convert-dataset`: every format to COCO json, and detections back to each."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from cascadekit.commands import run
from cascadekit.datasets import CocoDataset
from cascadekit.datasets.kitti_files import read_kitti_labels
from cascadekit.datasets.layouts import find_layout
from cascadekit.datasets.records import is_object
from cascadekit.registry import DATASETS
from tests.datasets import makers

DATA = Path(__file__).parents[2] / "../shared/data"


def convert(*arguments):
    """Run the command; the exit status."""
    return run("convert-dataset", [str(a) for a in arguments], "")


def cities(root):
    makers.city_pictures(root)
    makers.city_folder(root)
    return root


def faces(root):
    makers.wider_pictures(root)
    makers.wider_text(root / "wider_face_split/wider_face_val_bbx_gt.txt")
    return root


SETS = {
    "kitti": makers.kitti,
    "kitti-tracking": makers.kitti_tracking,
    "voc": makers.voc,
    "citypersons": cities,
    "widerface": faces,
    "labels": makers.label_set,
}
KEPT = ("label", "iscrowd", "ignore")


def shown(dataset):
    """What must survive of every picture, in order."""
    records = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [
        (
            r["img_path"],
            (r["width"], r["height"]),
            [(*(i[k] for k in KEPT), *i["bbox"], i["area"]) for i in r["instances"]],
        )
        for r in records
    ]


@pytest.mark.parametrize("test_mode", [True, False])
@pytest.mark.parametrize("kind", SETS)
def test_there_and_back(tmp_path, kind, test_mode):
    """A converted set gives the same records as its own reader, in test and in training."""
    root = SETS[kind](tmp_path / "data")
    out = tmp_path / "out.json"
    assert convert(kind, root, out) == 0
    (config, *_) = find_layout(str(root)).splits.values()
    own = DATASETS.build({**config, "test_mode": test_mode})
    theirs = CocoDataset(str(out), config["image_dir"], test_mode=test_mode)
    assert theirs.metainfo["classes"] == own.metainfo["classes"]
    assert theirs.metainfo["has_masks"] == own.metainfo["has_masks"]
    for (path, size, rows), (path2, size2, rows2) in zip(shown(own), shown(theirs), strict=True):
        assert (path, size) == (path2, size2)
        assert np.array(rows) == pytest.approx(np.array(rows2), abs=1e-5)


@pytest.mark.parametrize("kind", SETS)
def test_the_reader_is_recognised(tmp_path, kind):
    root = SETS[kind](tmp_path / "data")
    assert convert("auto", root, tmp_path / "auto.json") == 0
    assert convert(kind, root, tmp_path / "named.json") == 0
    assert (tmp_path / "auto.json").read_text() == (tmp_path / "named.json").read_text()


def test_what_a_format_knows_more_goes_along(tmp_path, capsys):
    out = tmp_path / "kitti.json"
    assert convert("kitti", makers.kitti(tmp_path / "data"), out) == 0
    data = json.loads(out.read_text())
    assert data["categories"] == [
        {"id": k, "name": name} for k, name in enumerate(("Car", "Pedestrian", "Cyclist"), 1)
    ]
    assert data["images"][0] == {
        "id": 1,
        "file_name": "000000.png",
        "width": 100,
        "height": 50,
        "name": "000000",
        "devkit": {
            "names": ["Car", "Pedestrian", "Van", "DontCare"],
            "boxes": [
                [10, 10, 60, 40],
                [70.5, 5.25, 80.5, 45.25],
                [62, 20, 69, 30],
                [20, 2, 30, 8],
            ],
            "truncated": [0, 0.3, 0, -1],
            "occluded": [0, 1, 2, -1],
        },
    }
    assert data["annotations"][1] == {
        "id": 2,
        "image_id": 1,
        "category_id": 2,
        "bbox": [70.5, 5.25, 10.0, 40.0],
        "area": 400.0,
        "iscrowd": 0,
        "ignore": 0,
        "name": "Pedestrian",
        "truncated": 0.3,
        "occluded": 1.0,
    }
    said = capsys.readouterr().out
    # two cars, a walker; van, sitter, and the region for each of the three classes
    assert "3 pictures, 3 objects, 5 regions to ignore, 3 classes: Car, Pedestrian, Cyclist" in said
    assert f"--data {out} --images {tmp_path}/data/training/image_2" in said


def test_citypersons_keeps_its_numbers(tmp_path):
    out = tmp_path / "out.json"
    assert convert("citypersons", cities(tmp_path / "data"), out, "--classes", "rider") == 0
    data = json.loads(out.read_text())
    assert [image["id"] for image in data["images"]] == [1, 2, 3]
    assert data["images"][0]["file_name"] == "aachen/aachen_000000_000019_leftImg8bit.png"
    assert data["categories"] == [{"id": 2, "name": "rider"}]
    assert data["annotations"][0]["visible_ratio"] == 0.75


def test_masks_go_along(tmp_path):
    root = makers.label_set(tmp_path / "data")
    assert convert("labels", f"{root}:val", tmp_path / "out.json", "--classes", "cell") == 0
    data = json.loads((tmp_path / "out.json").read_text())
    assert [image["file_name"] for image in data["images"]] == ["c.png"]
    assert data["categories"] == [{"id": 1, "name": "cell"}]
    bitmap = coco_mask.decode(data["annotations"][0]["segmentation"])
    assert (bitmap == (makers.cells() == 1)).all()


def test_ignored_classes(tmp_path):
    out, root = tmp_path / "out.json", makers.kitti(tmp_path / "data")
    assert convert("kitti", root, out, "--classes", "Car", "--ignore-classes", "Truck") == 0
    names = [(a["name"], a["ignore"]) for a in json.loads(out.read_text())["annotations"]]
    assert names == [("Car", 0), ("DontCare", 1), ("Truck", 1), ("Car", 0)]
    assert convert("kitti", root, out, "--classes", "Car", "--ignore-classes") == 0
    names = [a["name"] for a in json.loads(out.read_text())["annotations"]]
    assert names == ["Car", "DontCare", "Car"]  # no neighbours either


def test_low_objects_become_regions(tmp_path):
    """The limit itself is high enough."""
    out, root = tmp_path / "out.json", makers.kitti(tmp_path / "data")
    assert convert("kitti", root, out, "--min-height", "40", "--classes", "Car", "Pedestrian") == 0
    annotations = json.loads(out.read_text())["annotations"]
    shown = {a["name"]: (a["bbox"][3], a["iscrowd"], a["ignore"]) for a in annotations}
    assert shown["Car"] == (30, 1, 1) and shown["Pedestrian"] == (40, 0, 0)


# Detections


def results_of(kind, root, source):
    """Every object of the data set, found where it is; scores have many digits."""
    (config, *_) = find_layout(str(root)).splits.values()
    own = DATASETS.build({**config, "test_mode": True})
    ids = own.metainfo.get("category_ids") or range(len(own.metainfo["classes"]))
    entries = []
    for k in range(len(own)):
        record = own.get_data_info(k)
        for instance in filter(is_object, record["instances"]):
            x1, y1, x2, y2 = instance["bbox"]
            entries.append(
                {
                    "image_id": record["img_id"],
                    "category_id": ids[instance["label"]],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": 2 / 3 - len(entries) / 7,
                }
            )
    return makers.text(source, json.dumps(entries)), entries


def submit(kind, tmp_path, out):
    root = SETS[kind](tmp_path / "data")
    file, entries = results_of(kind, root, tmp_path / "found.json")
    assert convert(kind, file, out, "--detections-of", root) == 0
    return entries


def test_kitti_submission(tmp_path):
    """Read again, the files have every number to the last digit; empty pictures have a file."""
    entries = submit("kitti", tmp_path, tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    assert [f.name for f in files] == ["000000.txt", "000001.txt", "000002.txt"]
    assert files[1].read_text() == ""
    rows = [row for file in files for row in read_kitti_labels(file, tracking=False)]
    assert [(r.name, r.box, r.score) for r in rows] == [
        ("Car", (10, 10, 60, 40), entries[0]["score"]),
        ("Pedestrian", (70.5, 5.25, 80.5, 45.25), entries[1]["score"]),
        ("Car", (10, 10, 60, 40), entries[2]["score"]),
    ]
    assert len(files[0].read_text().splitlines()[0].split()) == 16


def test_citypersons_submission(tmp_path):
    entries = submit("citypersons", tmp_path, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == entries
    assert entries[0]["image_id"] == 1 and entries[0]["category_id"] == 1


def test_widerface_submission(tmp_path):
    submit("widerface", tmp_path, tmp_path / "out")
    files = {
        f.relative_to(tmp_path / "out").as_posix(): f.read_text().splitlines()
        for f in (tmp_path / "out").rglob("*.txt")
    }
    assert set(files) == {f"{name}.txt" for name in makers.FACES}
    assert files["0--Parade/0_Parade_a_1_849.txt"] == [
        "0_Parade_a_1_849",
        "1",
        f"10.0 5.0 20.0 25.0 {2 / 3!r}",
    ]
    assert files["0--Parade/0_Parade_b_1_2.txt"] == ["0_Parade_b_1_2", "0"]


def test_voc_submission(tmp_path):
    submit("voc", tmp_path, tmp_path / "out")
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        "comp4_det_test_cat.txt",
        "comp4_det_test_dog.txt",
    ]
    # The corners of the xml, which count from 1.
    text = (tmp_path / "out/comp4_det_test_cat.txt").read_text()
    assert text == f"a {2 / 3!r} 3.0 4.0 12.0 8.0\n"


def test_detections_on_the_converted_set(tmp_path):
    """Ids of the json lead to the same files as the data set's own."""
    root = makers.kitti(tmp_path / "data")
    truth = tmp_path / "truth.json"
    assert convert("kitti", root, truth) == 0
    entry = {"image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4], "score": -0.5}
    found = makers.text(tmp_path / "found.json", json.dumps([entry]))
    assert convert("kitti", found, tmp_path / "out", "--detections-of", truth) == 0
    (row,) = read_kitti_labels(tmp_path / "out/000002.txt")
    assert (row.name, row.box, row.score) == ("Pedestrian", (1, 2, 4, 6), -0.5)


def test_names_win_over_numbers(tmp_path):
    """As `cascadekit predict` writes them, whose numbers are its own."""
    root = makers.kitti(tmp_path / "data")
    entry = {"image_id": 0, "category_id": 0, "category": "Cyclist", "file_name": "000001.png"}
    found = [{**entry, "bbox": [1, 2, 3, 4], "score": 0.5}]
    file = makers.text(tmp_path / "found.json", json.dumps(found))
    assert convert("kitti", file, tmp_path / "out", "--detections-of", root) == 0
    assert (tmp_path / "out/000001.txt").read_text().startswith("Cyclist -1 -1 -10 1.0 2.0 4.0 6.0")


def test_nothing_found(tmp_path):
    file = makers.text(tmp_path / "found.json", "[]")
    root = makers.kitti(tmp_path / "data")
    assert convert("kitti", file, tmp_path / "out", "--detections-of", root) == 0
    assert len(list((tmp_path / "out").iterdir())) == 3
    root = makers.voc(tmp_path / "voc")
    assert convert("voc", file, tmp_path / "v", "--detections-of", root, "--split", "val") == 0
    written = {f.name: f.read_text() for f in (tmp_path / "v").iterdir()}
    assert written == {"comp4_det_val_cat.txt": "", "comp4_det_val_dog.txt": ""}
    faces(tmp_path / "faces")
    assert convert("widerface", file, tmp_path / "f", "--detections-of", tmp_path / "faces") == 0


GOOD = {"image_id": "000000", "category_id": 0, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "found.json is not json"),
        ('{"images": []}', "holds a dict, but COCO results are a list"),
        ([3], "entry 0 must be a dict, got 3"),
        ([{k: v for k, v in GOOD.items() if k != "image_id"}], "entry 0 has no image_id or file_"),
        ([GOOD, {k: v for k, v in GOOD.items() if k != "score"}], "entry 1 has no score"),
        ([{**GOOD, "bbox": [1, 2, 3]}], "bbox must be 4 numbers [x, y, width, height], got"),
        ([{**GOOD, "bbox": [1, 2, 3, None]}], "bbox must be 4 numbers"),
        ([{**GOOD, "score": "high"}], "score must be a finite number, got 'high'"),
        ('[{"image_id":"000000","category_id":0,"bbox":[1,2,3,4],"score":NaN}]', "finite"),
        ([{**GOOD, "image_id": "00000"}], "of picture '00000', but the data set has 3 others"),
        ([{**GOOD, "file_name": "9.png"}], "of picture '9', but the data set has 3 others"),
        ([{**GOOD, "category_id": 3}], "of class 3, but the data set has Car (0), Pedestrian (1)"),
        ([{**GOOD, "category": "car"}], "of class 'car', but"),
    ],
)
def test_faults_of_detections(tmp_path, capsys, content, message):
    text = content if isinstance(content, str) else json.dumps(content)
    file = makers.text(tmp_path / "found.json", text)
    root = makers.kitti(tmp_path / "data")
    assert convert("kitti", file, tmp_path / "out", "--detections-of", root) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kitti", "gone", "out.json"], "no such file or folder: 'gone'"),
        (["kitti", "{}", "out.txt"], "OUT must be a .json file, got 'out.txt'"),
        (["voc", "{}", "out.json"], "has no data in a format known here as voc"),
        (["kitti", "{}:train", "out.json"], "has no split 'train', it has: all"),
        (["kitti", "{}", "out.json", "--classes", "car"], "Did you mean 'Car'"),
        (["kitti", "x.json", "out", "--detections-of", "{}"], "file of detections not found"),
        (["labels", "x.json", "out", "--detections-of", "{}"], "no submission format 'labels'"),
    ],
)
def test_faults_of_the_arguments(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    root = makers.kitti(tmp_path / "data")
    assert convert(*(a.format(root) for a in arguments)) == 2
    assert message in capsys.readouterr().err


def test_several_splits_must_be_chosen(tmp_path, capsys):
    root = faces(tmp_path / "data")
    makers.wider_pictures(root, "train")
    makers.wider_text(root / "wider_face_split/wider_face_train_bbx_gt.txt")
    assert convert("widerface", root, tmp_path / "out.json") == 2
    assert f"several splits, choose one: {root}:train or {root}:val" in capsys.readouterr().err


def test_ignored_classes_are_for_two_formats(tmp_path, capsys):
    root = makers.voc(tmp_path / "data")
    assert convert("voc", root, tmp_path / "out.json", "--ignore-classes", "cat") == 2
    assert "--ignore-classes is for kitti and citypersons, not voc" in capsys.readouterr().err


def test_tracking_has_no_submission(tmp_path, capsys):
    root = makers.kitti_tracking(tmp_path / "data")
    file = makers.text(tmp_path / "found.json", "[]")
    data = f"kitti-tracking:{root}"
    assert convert("kitti", file, tmp_path / "out", "--detections-of", data) == 2
    assert "of the tracking benchmark, whose submissions need tracks" in capsys.readouterr().err


def test_other_classes_are_no_citypersons(tmp_path, capsys):
    root = makers.voc(tmp_path / "data")
    entry = {"image_id": "a", "category_id": 0, "bbox": [1, 2, 3, 4], "score": 0.5}
    file = makers.text(tmp_path / "found.json", json.dumps([entry]))
    out = tmp_path / "out.json"
    assert convert("citypersons", file, out, "--detections-of", f"voc:{root}") == 2
    assert "CityPersons has no class 'cat'" in capsys.readouterr().err


def test_citypersons_numbers_its_pictures(tmp_path, capsys):
    root = makers.label_set(tmp_path / "data")
    file = makers.text(tmp_path / "found.json", "[]")
    words = ("--detections-of", f"labels:{root}", "--classes", "pedestrian")
    assert convert("citypersons", file, tmp_path / "out.json", *words) == 2
    assert "numbers its pictures 1, 2, ..., got the id 'a'" in capsys.readouterr().err


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside the repository")
@pytest.mark.parametrize(
    ("kind", "source", "images", "objects", "classes"),
    [
        # BloodImage_00338 and _00343 have a box of no area each: 4886 of 4888 are left
        ("voc", "bccd:all", 364, 4886, ["Platelets", "RBC", "WBC"]),
        ("voc", "cards:test", 67, 143, ["ace", "jack", "king", "nine", "queen", "ten"]),
        ("labels", "nuclei:val", 67, 1863, ["object"]),
    ],
)
def test_real_sets(tmp_path, kind, source, images, objects, classes):
    out = tmp_path / "out.json"
    assert convert(kind, DATA / source, out) == 0
    data = json.loads(out.read_text())
    assert (len(data["images"]), len(data["annotations"])) == (images, objects)
    assert [category["name"] for category in data["categories"]] == classes
    (config, *_) = find_layout(str(DATA / source.split(":")[0])).splits.values()
    root = config["image_dir"].replace("/train", "/test")
    dataset = CocoDataset(str(out), root, test_mode=True)
    assert dataset.metainfo["has_masks"] == (kind == "labels")
    assert all(Path(dataset.get_data_info(k)["img_path"]).is_file() for k in range(images))
