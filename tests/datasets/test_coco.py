"""Reading COCO json: values, and one clear error per fault."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cascadekit.datasets import CocoDataset, read_classes
from cascadekit.errors import InputError
from cascadekit.registry import DATASETS

REAL = Path(__file__).parents[2] / "../shared/data/microcontroller"

SQUARE = [[2.0, 3.0, 12.0, 3.0, 12.0, 8.0, 2.0, 8.0]]


def annotation(number, image_id=1, category_id=3, bbox=(2, 3, 10, 5), **more):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": list(bbox),
        "area": 40.0,
        "iscrowd": 0,
        "segmentation": SQUARE,
        **more,
    }


def coco():
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 20, "height": 10},
            {"id": 2, "file_name": "b.png", "width": 20, "height": 10},
        ],
        "annotations": [annotation(7)],
        "categories": [
            {"id": 5, "name": "dog"},
            {"id": 3, "name": "cat"},
            {"id": 9, "name": "cow"},
        ],
    }


@pytest.fixture
def make(tmp_path):
    """Write a json and build the data set; keyword arguments go to its constructor."""
    (tmp_path / "pictures").mkdir()

    def build(data, **arguments):
        path = tmp_path / "train.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return CocoDataset(str(path), str(tmp_path / "pictures"), **arguments)

    return build


def test_record(make):
    dataset = make(coco())
    assert dataset.metainfo["classes"] == ("cat", "dog", "cow")  # order of ids, unused kept
    assert dataset.metainfo["category_ids"] == (3, 5, 9)  # so that results have the file's ids
    assert dataset.metainfo["has_masks"] is True
    assert len(dataset) == 1  # picture 2 is empty
    info = dataset.get_data_info(0)
    assert Path(info["img_path"]).name == "a.png"
    assert (info["img_id"], info["width"], info["height"]) == (1, 20, 10)
    assert info["instances"] == [
        {
            "bbox": [2.0, 3.0, 12.0, 8.0],  # x, y, x + w, y + h
            "label": 0,
            "area": 40.0,
            "iscrowd": 0,
            "ignore": 0,
            "segmentation": SQUARE,
        }
    ]
    assert dataset.get_cat_ids(0) == [0]


def test_read_classes_agrees(make, tmp_path):
    dataset = make(coco())
    assert read_classes(tmp_path / "train.json") == dataset.metainfo["classes"]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({}, 1),
        ({"keep_empty": True}, 2),
        ({"test_mode": True}, 2),
        ({"test_mode": True, "min_size": 11}, 2),  # test mode keeps small pictures too
        ({"keep_empty": True, "indices": 1}, 1),
        ({"keep_empty": True, "indices": [1, 0]}, 2),
    ],
)
def test_which_pictures_are_kept(make, arguments, count):
    assert len(make(coco(), **arguments)) == count


def test_classes_select_and_order(make):
    data = coco()
    data["annotations"].append(annotation(8, category_id=5))
    data["annotations"].append(annotation(9, category_id=9))
    dataset = make(data, classes=["cow", "cat"])
    labels = [i["label"] for i in dataset.get_data_info(0)["instances"]]
    assert labels == [1, 0]  # cat 1, dog left out, cow 0


PARENT = {"id": 0, "name": "animal", "supercategory": "none"}


def with_parent():
    data = coco()
    for category in data["categories"]:
        category["supercategory"] = "animal"
    data["categories"].append(PARENT)
    return data


def test_unused_parent_category_is_dropped(make):
    assert make(with_parent()).metainfo["classes"] == ("cat", "dog", "cow")


def test_parent_category_with_objects_stays(make):
    data = with_parent()
    data["annotations"].append(annotation(8, category_id=0))
    assert make(data).metainfo["classes"] == ("animal", "cat", "dog", "cow")


def test_unused_category_0_that_is_no_parent_stays(make):
    data = coco()
    data["categories"].append({"id": 0, "name": "ant", "supercategory": "none"})
    assert make(data).metainfo["classes"] == ("ant", "cat", "dog", "cow")


def test_parent_category_can_be_asked_for(make):
    dataset = make(with_parent(), classes=["animal", "cat"])
    assert dataset.get_data_info(0)["instances"][0]["label"] == 1


def test_parent_may_share_a_class_name(make):
    # Roboflow names the parent after the project, which may be the name of its only class.
    data = with_parent()
    data["categories"] = [
        {"id": 0, "name": "cat", "supercategory": "none"},
        {"id": 3, "name": "cat", "supercategory": "cat"},
    ]
    assert make(data).metainfo["classes"] == ("cat",)
    assert make(data, classes=["cat"]).get_data_info(0)["instances"][0]["label"] == 0


def test_boxes_are_cut_dropped_and_counted(make):
    data = coco()
    data["annotations"] = [
        annotation(1, bbox=[15, 5, 10, 10]),  # over the corner
        annotation(2, bbox=[19.5, 0, 1, 5]),  # half a pixel over: cut, not worth counting
        annotation(3, bbox=[5, 5, 0, 5]),  # no width
        annotation(4, bbox=[5, 5, 5, -1]),  # negative height
        annotation(5, bbox=[30, 5, 5, 5]),  # outside
        annotation(6, bbox=[float("nan"), 5, 5, 5]),
        annotation(7, segmentation=[[1, 1, 2, 2]]),  # keeps its box
    ]
    dataset = make(data)
    instances = dataset.get_data_info(0)["instances"]
    assert [i["bbox"] for i in instances] == [[15, 5, 20, 10], [19.5, 0, 20, 5], [2, 3, 12, 8]]
    assert [i["segmentation"] is None for i in instances] == [False, False, True]
    tally = dataset.tally
    assert (tally.objects, tally.clipped, tally.empty, tally.no_mask) == (3, 1, 4, 1)


def test_missing_keys_have_defaults(make):
    data = coco()
    data["annotations"] = [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [2, 3, 10, 5]}]
    dataset = make(data)
    (instance,) = dataset.get_data_info(0)["instances"]
    assert instance["area"] == 50.0  # of the box
    assert (instance["iscrowd"], instance["ignore"], instance["segmentation"]) == (0, 0, None)
    assert dataset.metainfo["has_masks"] is False


def test_crowd_alone_is_nothing_to_learn(make):
    data = coco()
    data["annotations"] = [annotation(1, iscrowd=1), annotation(2, image_id=2, iscrowd=1)]
    data["annotations"].append(annotation(3, image_id=2))
    dataset = make(data)
    assert len(dataset) == 1
    assert [i["iscrowd"] for i in dataset.get_data_info(0)["instances"]] == [1, 0]
    assert dataset.get_cat_ids(0) == [0]


def test_missing_size_is_read_from_the_picture(make, tmp_path):
    data = coco()
    del data["images"][0]["width"]
    Image.fromarray(np.zeros((13, 17, 3), np.uint8)).save(tmp_path / "pictures/a.png")
    info = make(data).get_data_info(0)
    assert (info["width"], info["height"]) == (17, 13)


def change(path, value):
    """A copy of the json with one entry replaced; "del" removes it."""
    data = copy.deepcopy(coco())
    target = data
    for key in path[:-1]:
        target = target[key]
    if value == "del":
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"images": [', "train.json is not json"),
        ("[]", "holds a list.*results"),
        (change(["images"], "del"), "no list 'images'"),
        (change(["annotations"], "del"), "no list 'annotations'"),
        (change(["categories"], "del"), "no list 'categories'"),
        (change(["categories"], {}), "no list 'categories'"),
        (change(["categories"], []), "has no categories"),
        (change(["images"], []), "image_id 1, but no such image"),
        (change(["categories", 0, "name"], "del"), "category 5 has no 'name'"),
        (change(["categories", 0, "id"], "del"), "a category has no 'id'"),
        (change(["categories", 0, "id"], 3), "category id 3 is given twice"),
        (change(["categories", 0, "name"], "cat"), r"categories \[3, 5\] share the name 'cat'"),
        (change(["images", 0, "id"], "del"), r"images\[0\] has no 'id'"),
        (change(["images", 0, "file_name"], "del"), "image 1 has no 'file_name'"),
        (change(["images", 1, "id"], 1), "image id 1 is given twice.*a.png.*b.png"),
        (change(["images", 0, "width"], 0), "picture not found.*a.png"),
        (change(["annotations", 0, "image_id"], 4), "annotation 7 has image_id 4"),
        (change(["annotations", 0, "image_id"], "del"), "annotation 7 has no 'image_id'"),
        (change(["annotations", 0, "category_id"], 4), "annotation 7 has category_id 4"),
        (change(["annotations", 0, "bbox"], "del"), "annotation 7 has no 'bbox'"),
        (change(["annotations", 0, "bbox"], [1, 2, 3]), "bbox of annotation 7 must be 4 numbers"),
        (change(["annotations", 0, "bbox"], [1, 2, 3, "4"]), "bbox of annotation 7"),
        (change(["annotations", 0, "bbox"], None), "bbox of annotation 7"),
        (change(["annotations", 0], 3), r"annotations\[0\] has no 'image_id'"),
        (change(["annotations"], []), "leaves no picture.*2 pictures without objects"),
    ],
)
def test_faults_of_the_json(make, data, message):
    with pytest.raises(InputError, match=message):
        make(data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["cat", "dgo"]}, "'dgo' is not in.*Did you mean 'dog'"),
        ({"indices": [3]}, "picture 3"),
        ({"indices": 0}, "no picture"),
        ({"min_size": 11}, "2 pictures dropped as too small"),
    ],
)
def test_faults_of_arguments(make, arguments, message):
    with pytest.raises(InputError, match=message):
        make(coco(), **arguments)


def test_missing_file_says_where_and_what_to_do(make, tmp_path):
    make(coco())
    with pytest.raises(InputError, match=r"(?s)trian\.json.*--data shapes.*mean 'train\.json'"):
        CocoDataset(str(tmp_path / "trian.json"), str(tmp_path / "pictures"))


def test_missing_image_dir(make, tmp_path):
    make(coco())
    with pytest.raises(InputError, match=r"folder of pictures not found.*Did you mean 'pictures'"):
        CocoDataset(str(tmp_path / "train.json"), str(tmp_path / "picture"))


def test_missing_picture_is_an_error_and_not_skipped(make):
    # mmengine draws another picture only when a transform returns None.
    dataset = make(coco(), pipeline=[{"type": "cascadekit.LoadImage"}])
    with pytest.raises(InputError, match=r"cannot be read.*a\.png"):
        dataset[0]


def test_registered():
    assert DATASETS.get("CocoDataset") is CocoDataset


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data set is not beside the repository")
@pytest.mark.parametrize(("split", "count"), [("train", 120), ("valid", 15), ("test", 15)])
def test_real_set(split, count):
    # valid and test lack objects of Arduino_Nano, and all have an unused category 0.
    folder = REAL / split
    dataset = CocoDataset(str(folder / "_annotations.coco.json"), str(folder))
    classes = ("Arduino", "Arduino_Nano", "ESP8266", "Heltec", "Raspberry")
    assert dataset.metainfo["classes"] == classes
    assert len(dataset) == count
