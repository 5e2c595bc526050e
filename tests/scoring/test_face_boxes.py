"""Which of two readings of a file of faces is right."""

import numpy as np
import pytest

from cascadekit.datasets.detection_files import NO_ROWS, Rows
from cascadekit.errors import InputError
from cascadekit.scoring.face_boxes import as_xywh

FACES = np.array([[100, 100, 40, 40], [200, 100, 30, 40], [300, 120, 50, 60], [400, 90, 35, 35.0]])


def rows(form, faces=FACES):
    boxes = faces.copy()
    if form == "xyxy":
        boxes[:, 2:] += boxes[:, :2]
    count = len(boxes)
    return Rows(("face",) * count, boxes, np.linspace(0.9, 0.5, count), np.arange(count))


def decide(found, names=None, truths=None, form="auto"):
    names = names or [f"{k}--Event/{k}" for k in range(len(found))]
    return as_xywh(found, names, truths or [FACES] * len(found), form)


@pytest.mark.parametrize("form", ["xywh", "xyxy"])
def test_one_form(form):
    result = decide([rows(form)] * 3)
    for one in result.rows:
        assert np.array_equal(one.boxes, FACES)
    assert "find 12 annotated faces, as" in result.said
    assert result.said.endswith(" 0")


def test_mixed_files_are_decided_one_by_one():
    """The single face of the last file says little; its own reading still finds it."""
    single = FACES[:1]
    found = [rows("xywh"), rows("xywh"), rows("xywh"), rows("xyxy"), rows("xyxy", single)]
    result = decide(found, truths=[FACES] * 4 + [single])
    for one, truth in zip(result.rows, [FACES] * 4 + [single], strict=True):
        assert np.array_equal(one.boxes, truth)
    assert "2 are read as x1 y1 x2 y2, such as '3--Event/3'" in result.said


def test_a_file_that_says_nothing_goes_with_its_folder():
    """No face found either way: as the others of the event; without any, as the set."""
    away = Rows(("face",), np.array([[10.0, 10, 30, 30]]), np.ones(1), np.zeros(1))
    found = [rows("xywh"), rows("xywh"), rows("xywh"), rows("xyxy"), away, away]
    names = ["a/0", "a/1", "a/2", "b/3", "b/4", "a/5"]
    result = decide(found, names)
    assert result.rows[4].boxes.tolist() == [[10, 10, 20, 20]]
    assert result.rows[5].boxes.tolist() == [[10, 10, 30, 30]]


def test_one_lucky_hit_does_not_turn_a_file():
    """A file whose boxes find one face only when misread: no clear contradiction anywhere."""
    lucky = FACES[:1].copy()
    lucky[:, 2:] += lucky[:, :2]  # as corners it is the face, as x y w h it is not
    odd = Rows(("face",), lucky, np.ones(1), np.zeros(1))
    result = decide([rows("xywh")] * 3 + [odd])
    assert np.array_equal(result.rows[3].boxes, lucky)
    assert "boxes are read as x y w h" in result.said


def test_without_faces_or_detections():
    """Nothing to go by: the benchmark's own form."""
    dummy = np.zeros((1, 4))
    result = decide([NO_ROWS, rows("xyxy")], truths=[FACES, dummy])
    assert np.array_equal(result.rows[1].boxes, rows("xyxy").boxes)
    assert decide([]).rows == []


def test_as_told():
    assert np.array_equal(decide([rows("xyxy")], form="xyxy").rows[0].boxes, FACES)
    assert np.array_equal(decide([rows("xyxy")], form="xywh").rows[0].boxes, rows("xyxy").boxes)
    with pytest.raises(InputError, match="boxes must be one of auto, xywh, xyxy"):
        decide([rows("xyxy")], form="cxcywh")
