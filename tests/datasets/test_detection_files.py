"""Files of detections: what is read, and a row for each fault."""

import json

import numpy as np
import pytest

from cascadekit.datasets.detection_files import (
    read_face_found,
    read_kitti_found,
    read_person_found,
    read_voc_found,
)
from cascadekit.errors import InputError
from tests.datasets.makers import CAR, text

FOUND = f"{CAR} -1.25"
FACES = ("0_Parade_a_1_849", "2", "10 5 20 25 0.9", "1.5 2 3 4 -0.5")
PERSON = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 60], "score": 0.5}


def test_kitti(tmp_path):
    text(tmp_path / "000000.txt", FOUND, FOUND.replace("Car", "Van"))
    text(tmp_path / "000001.txt")
    text(tmp_path / "000009.txt", FOUND)
    found = read_kitti_found(tmp_path, ["000000", "000001", "000002"])
    first, second, third = found.rows
    assert first.names == ("Car", "Van")
    assert first.boxes.tolist() == [[10, 10, 60, 40]] * 2
    assert first.scores.tolist() == [-1.25, -1.25]
    assert second.boxes.shape == third.boxes.shape == (0, 4)
    assert (found.missing, found.extra) == (("000002",), ("000009",))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (CAR, r"000000.txt, row 1: no score; detections have 16 columns"),
        (FOUND + " 1", "expected 15 or 16 columns"),
        (FOUND.replace("-1.25", "high"), "score must be a finite number, got 'high'"),
        (FOUND.replace("-1.25", "nan"), "score must be a finite number"),
        (FOUND.replace("60.00", "inf"), "x2 must be a finite number"),
        ("0 1 " + FOUND, "It is a row of the tracking benchmark"),
    ],
)
def test_faulty_kitti(tmp_path, line, message):
    text(tmp_path / "000000.txt", line)
    with pytest.raises(InputError, match=message):
        read_kitti_found(tmp_path, ["000000"])


def test_faulty_kitti_folders(tmp_path):
    with pytest.raises(InputError, match=r"not found \(looked for"):
        read_kitti_found(tmp_path / "nowhere", ["000000"])
    file = text(tmp_path / "one.txt", FOUND)
    with pytest.raises(InputError, match="is a file: expected a folder of KITTI"):
        read_kitti_found(file, ["000000"])
    with pytest.raises(InputError, match=r"of any of the 1 pictures.*it has: one"):
        read_kitti_found(tmp_path, ["000000"])


def test_widerface(tmp_path):
    text(tmp_path / "0--Parade/0_Parade_a_1_849.txt", *FACES, "")
    text(tmp_path / "0--Parade/0_Parade_b_1_2.txt", "0_Parade_b_1_2", "0")
    names = ["0--Parade/0_Parade_a_1_849", "0--Parade/0_Parade_b_1_2", "1--X/c"]
    found = read_face_found(tmp_path, names)
    assert found.rows[0].boxes.tolist() == [[10, 5, 20, 25], [1.5, 2, 3, 4]]
    assert found.rows[0].scores.tolist() == [0.9, -0.5]
    assert len(found.rows[1].scores) == 0
    assert found.missing == ("1--X/c",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (FACES[:1], "expected the picture's name, the number of faces"),
        (FACES[2:], "expected the picture's name, the number of faces"),
        ((*FACES, FACES[2]), "line 2 says 2 faces, but 3 rows follow"),
        ((*FACES[:3], "1 2 3 4"), "line 4: expected 5 finite numbers, got '1 2 3 4'"),
        ((*FACES[:3], "1 2 3 4 x"), "line 4: expected 5 finite numbers"),
        ((*FACES[:3], "1 2 3 4 inf"), "line 4: expected 5 finite numbers"),
        ((), "expected the picture's name"),
    ],
)
def test_faulty_widerface(tmp_path, lines, message):
    text(tmp_path / "e/a.txt", *lines)
    with pytest.raises(InputError, match=message):
        read_face_found(tmp_path, ["e/a"])


def test_voc(tmp_path):
    text(tmp_path / "comp4_det_test_cat.txt", "b 0.5 1 2 3 4", "a 0.9 5 6 7 8", "")
    text(tmp_path / "comp4_det_test_big_cat.txt", "a 0.1 1 1 2 2")
    first, second = read_voc_found(tmp_path, ["a", "b"], ["cat", "big_cat", "dog"])
    assert first.names == ("cat", "big_cat")
    assert first.boxes.tolist() == [[5, 6, 7, 8], [1, 1, 2, 2]]
    assert first.lines.tolist() == [2, 1]  # places in the files of their classes
    assert second.scores.tolist() == [0.5]


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("x_cat", "c 0.5 1 2 3 4", "line 1: picture 'c' is not among the 2"),
        ("x_cat", "a 0.5 1 2 3", "line 1: expected 5 finite numbers, got '0.5 1 2 3'"),
        ("x_cat", "a high 1 2 3 4", "line 1: expected 5 finite numbers"),
        ("x_cow", "a 0.5 1 2 3 4", r"no file of any class \(cat, dog\).*it has: x_cow.txt"),
    ],
)
def test_faulty_voc(tmp_path, name, line, message):
    text(tmp_path / f"{name}.txt", line)
    with pytest.raises(InputError, match=message):
        read_voc_found(tmp_path, ["a", "b"], ["cat", "dog"])


def test_two_files_of_a_class(tmp_path):
    text(tmp_path / "comp3_det_test_cat.txt", "a 0.5 1 2 3 4")
    text(tmp_path / "comp4_det_test_cat.txt", "a 0.5 1 2 3 4")
    with pytest.raises(InputError, match="two files of 'cat': comp3_det_test_cat"):
        read_voc_found(tmp_path, ["a"], ["cat"])


def test_citypersons(tmp_path):
    rider = {**PERSON, "category_id": 2}
    file = text(tmp_path / "dt.json", json.dumps([rider, PERSON]))
    first, second = read_person_found(file, [1, 2])
    assert first.boxes.tolist() == [[1, 2, 30, 60]]
    assert first.lines.tolist() == [1]
    assert second.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not json"),
        (json.dumps({"a": 1}), "holds a dict"),
        (json.dumps([{**PERSON, "image_id": 9}]), "entry 0 is of image_id 9.*numbers its pictures"),
        (json.dumps([{**PERSON, "bbox": [1, 2, 3]}]), "bbox must be 4 numbers"),
        (json.dumps([{**PERSON, "score": None}]), "score must be a finite number"),
        (json.dumps([{"image_id": 1}]), "has no category_id or category"),
    ],
)
def test_faulty_citypersons(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_person_found(text(tmp_path / "dt.json", content), [1])


def test_nothing_found_anywhere(tmp_path):
    assert read_person_found(text(tmp_path / "dt.json", "[]"), [1])[0].boxes.shape == (0, 4)
    text(tmp_path / "x_cat.txt")
    assert np.array_equal(read_voc_found(tmp_path, ["a"], ["cat"])[0].scores, np.zeros(0))
