import json

import pytest

from cascadekit.datasets import CocoDataset
from cascadekit.doctor.annotations import annotation_findings
from cascadekit.doctor.picture_checks import picture_findings
from cascadekit.doctor.pictures import look_at_all
from cascadekit.doctor.read_coco import read_coco
from cascadekit.doctor.read_voc import read_voc
from cascadekit.doctor.repair import cleaned
from cascadekit.whole_file import write_json
from tests.doctor import makers
from tests.doctor.makers import box, image

SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
# What is wrong -> the part of the file that is.
FAULTS = {
    "box.none": {"annotations": [{**box(1), "bbox": [1, 2, "x", 4]}, box(2, 2)]},
    "box.swapped": {"annotations": [box(1, bbox=(30, 30, -20, -20)), box(2, 2)]},
    "box.zero_area": {"annotations": [box(1, bbox=(5, 5, 0, 9)), box(2, 2)]},
    "box.beyond": {"annotations": [box(1, bbox=(70, 5, 9, 9)), box(2, 2)]},
    "box.outside": {"annotations": [box(1, bbox=(50, 5, 30, 9)), box(2, 2)]},
    "mask.unusable": {"annotations": [box(1, segmentation=[[1, 1, 2, 2]]), box(2, 2)]},
    "mask.degenerate": {"annotations": [box(1, segmentation=[[1, 1], SQUARE]), box(2, 2)]},
    "area.wrong": {"annotations": [box(1, area=0), box(2, 2)]},
    "object.duplicate": {"annotations": [box(1), box(2), box(3, 2)]},
    "picture.listed_twice": {"images": [image(1), image(2, "1.png")]},
    "picture.missing": {"images": [image(1), image(2)], "gone": "2.png"},
    "picture.truncated": {"images": [image(1), image(2)], "cut": "2.png"},
    "image.duplicate_id": {"images": [image(1), image(1, "b.png"), image(2)]},
    "image.repeated": {"images": [image(1), image(1), image(2)]},
    "annotation.no_image": {"annotations": [box(1, image=9), box(2, 2)]},
    "annotation.no_class": {"annotations": [box(1, category=9), box(2, 2)]},
    "annotation.duplicate_id": {"annotations": [box(1), box(1, 2)]},
    "class.duplicate_name": {
        "categories": [{"id": k, "name": n} for k, n in ((1, "cat"), (2, "dog"), (3, "cat"))]
    },
}


def examined(file):
    own = read_coco(str(file), str(file.parent), "train")
    states = look_at_all([p.path for p in own.pictures])
    sizes = {path: state.size for path, state in states.items()}
    findings = [*own.findings, *picture_findings(own, states), *annotation_findings(own, sizes)]
    return own, states, {finding.check for finding in findings}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cleaned_copy_has_no_such_fault_and_loads(tmp_path, fault):
    parts = dict(FAULTS[fault])
    gone, cut = parts.pop("gone", None), parts.pop("cut", None)
    file = makers.coco(tmp_path, **parts)
    if gone:
        (tmp_path / gone).unlink()
    if cut:
        (tmp_path / cut).write_bytes((tmp_path / cut).read_bytes()[:200])
    before = file.read_bytes()
    own, states, found = examined(file)
    assert fault in found
    copy = cleaned(own, states)
    assert fault in {check for check, _, _ in copy.changes}
    assert file.read_bytes() == before
    write_json(tmp_path / "clean.json", copy.data)
    _, _, left = examined(tmp_path / "clean.json")
    assert fault not in left
    dataset = CocoDataset(str(tmp_path / "clean.json"), str(tmp_path), test_mode=True)
    assert len(dataset) == len(copy.data["images"])
    assert not dataset.tally.empty and not dataset.tally.clipped


def test_what_is_sound_stays_as_it_is(tmp_path):
    rows = [box(7, segmentation=[SQUARE], iscrowd=0, score=3), box(9, 2, 2)]
    file = makers.coco(tmp_path, annotations=rows)
    own, states, found = examined(file)
    assert not found
    copy = cleaned(own, states)
    assert copy.changes == () and copy.data == json.loads(file.read_text())


def test_other_keys_go_along(tmp_path):
    file = makers.coco(tmp_path, images=[{**image(1), "license": 4}, image(2)])
    data = json.loads(file.read_text())
    file.write_text(json.dumps({"info": {"year": 2019}, **data}))
    copy = cleaned(*examined(file)[:2]).data
    assert copy["info"] == {"year": 2019} and copy["images"][0]["license"] == 4


def test_xml_becomes_json(tmp_path):
    makers.noise(tmp_path / "a.png")
    rows = [("dog", 5, 5, 20, 20), ("cat", 9, 9, 9, 9), ("cat", 60, 11, 90, 31)]
    makers.xml(tmp_path / "a.xml", objects=rows)
    own = read_voc({"image_dir": str(tmp_path)}, "train")
    copy = cleaned(own, {})
    assert copy.changes == (
        ("box.zero_area", 1, "left out"),
        ("box.outside", 1, "cut at the border"),
    )
    write_json(tmp_path / "clean.json", copy.data)
    dataset = CocoDataset(str(tmp_path / "clean.json"), copy.image_dir)
    assert dataset.metainfo["classes"] == ("cat", "dog")
    (record,) = [dataset.get_data_info(0)]
    assert [(i["label"], i["bbox"]) for i in record["instances"]] == [
        (1, [4, 4, 20, 20]),
        (0, [59, 10, 64, 31]),
    ]
    assert copy.data["images"][0] == {**image(1, "a.png"), "name": "a"}


def test_nothing_to_clean(tmp_path):
    file = makers.coco(tmp_path, images=[], annotations=[])
    copy = cleaned(*examined(file)[:2])
    assert copy.data["images"] == [] and copy.changes == ()
