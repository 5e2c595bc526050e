import pytest

from cascadekit.doctor.read_coco import read_coco
from tests.doctor import makers
from tests.doctor.makers import box, image

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def read(tmp_path, **parts):
    file = makers.coco(tmp_path, **parts)
    return read_coco(str(file), str(tmp_path), "train")


def test_a_sound_file_is_taken_over(tmp_path):
    own = read(tmp_path)
    assert not own.findings
    assert own.classes == ("cat", "dog") and own.category_ids == (1, 2)
    first, second = own.pictures
    assert (first.key, first.name, first.size) == (1, "1.png", (64, 48))
    assert first.objects[0].box == (10, 10, 30, 30)  # x y w h -> corners
    assert second.objects[0].label == "dog"


@pytest.mark.parametrize(
    ("parts", "check", "count", "pictures"),
    [
        # one id for two files: neither can be used
        ({"images": [image(1), image(1, "b.png"), image(2)]}, "image.duplicate_id", 1, 1),
        # the same entry twice: one of them is enough
        ({"images": [image(1), image(1), image(2)]}, "image.repeated", 1, 2),
        ({"images": [image(1), {"id": 3}, "x", image(2)]}, "image.faulty", 2, 2),
        ({"annotations": [box(1), box(1, 2)]}, "annotation.duplicate_id", 1, 2),
        ({"annotations": [box(1, image=7), box(2)]}, "annotation.no_image", 1, 2),
        ({"annotations": [box(1, image=[1]), box(2)]}, "annotation.no_image", 1, 2),  # unhashable
        ({"annotations": [box(1, category=7), box(2)]}, "annotation.no_class", 1, 2),
        ({"annotations": [5, box(2)]}, "annotation.faulty", 1, 2),
        ({"categories": [*CATEGORIES, {"id": 1, "name": "cow"}]}, "class.duplicate_id", 1, 2),
        ({"categories": [*CATEGORIES, {"id": 3, "name": "cat"}]}, "class.duplicate_name", 1, 2),
        ({"categories": [*CATEGORIES, {"id": 3}]}, "class.faulty", 1, 2),
    ],
)
def test_a_row_for_each_fault(tmp_path, parts, check, count, pictures):
    own = read(tmp_path, **parts)
    (finding,) = own.findings
    assert (finding.check, finding.count) == (check, count)
    assert finding.fix and finding.examples and finding.repair
    assert len(own.pictures) == pictures


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', '{"a": 1}'])
def test_a_file_that_is_no_coco_json(tmp_path, text):
    file = tmp_path / "ann.json"
    file.write_text(text)
    own = read_coco(str(file), str(tmp_path), "val")
    (finding,) = own.findings
    assert (finding.check, finding.severity, finding.where) == ("file.unreadable", "error", "val")
    assert own.pictures == ()


def test_a_missing_file(tmp_path):
    (finding,) = read_coco(str(tmp_path / "no.json"), str(tmp_path), "train").findings
    assert finding.check == "file.unreadable" and "cannot be opened" in finding.what


def test_the_parent_category_is_a_note_and_no_class(tmp_path):
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": "pets"},
        {"id": 2, "name": "dog", "supercategory": "pets"},
    ]
    own = read(tmp_path, categories=categories)
    assert own.classes == ("cat", "dog")
    assert [f.check for f in own.findings] == ["class.parent"]


def test_numbers_that_are_no_box(tmp_path):
    rows = [
        box(1, bbox=(1, 2, 3, float("inf"))),
        {**box(2), "bbox": [1, 2]},
        {**box(3), "bbox": "x"},
    ]
    own = read(tmp_path, annotations=rows)
    assert [o.box for o in own.pictures[0].objects] == [None, None, None]
