import pytest

from cascadekit.doctor.annotations import annotation_findings, close_pairs, duplicate_objects
from tests.doctor.makers import checks, raw_object, raw_picture, raw_set

A = (10.0, 10.0, 30.0, 30.0)
ASIDE = (10.5, 10.0, 30.5, 30.0)  # half a pixel aside: rounds to even, IoU 0.95
FAR = (12.0, 10.0, 32.0, 30.0)  # IoU 18 / 22


def test_sound_annotations_give_nothing():
    own = raw_set(raw_picture(raw_object()), raw_picture(raw_object(label="dog"), key=2))
    assert annotation_findings(own, {}) == []


def test_faults_are_counted_over_all_pictures():
    empty = raw_object((1.0, 1.0, 1.0, 9.0))
    own = raw_set(raw_picture(empty, empty), raw_picture(empty, raw_object(), key=2))
    found = checks(annotation_findings(own, {}))
    finding = found["box.zero_area"]
    assert finding.count == 3 and finding.what == "3 boxes without area"
    assert [e.path for e in finding.examples][:2] == ["1.png", "2.png"]  # other pictures first


def test_the_size_of_the_file_is_taken_where_none_is_written():
    own = raw_set(raw_picture(raw_object((40.0, 10.0, 90.0, 20.0)), size=(0, 0)))
    assert annotation_findings(own, {}) == []
    assert "box.outside" in checks(annotation_findings(own, {"1.png": (64, 48)}))


@pytest.mark.parametrize(
    ("second", "same", "other", "close"),
    [
        (raw_object(A, key="b"), 1, 0, 0),
        (raw_object(A, label="dog", key="b"), 0, 1, 0),
        (raw_object((10.7, 10.0, 30.7, 30.0), key="b"), 0, 0, 1),  # IoU 19.3 / 20.7
        (raw_object((10.7, 10.0, 30.7, 30.0), label="dog", key="b"), 0, 0, 0),
        (raw_object(FAR, key="b"), 0, 0, 0),
        (raw_object(A, region=True, key="b"), 0, 0, 0),  # a crowd over it is no copy
        (raw_object(None, key="b"), 0, 0, 0),
    ],
)
def test_objects_twice(second, same, other, close):
    picture = raw_picture(raw_object(A, key="a"), second)
    twice, double = duplicate_objects(picture)
    assert (len(twice), len(double)) == (same, other)
    assert len(close_pairs(picture)) == close
    assert all(o.key == "b" for o in [*twice, *double])


def test_close_pairs_are_all_found():
    """The sweep finds what comparing all pairs finds."""
    import numpy as np

    from cascadekit.doctor.object_faults import overlap

    rng = np.random.default_rng(0)
    corners = np.repeat(rng.uniform(0, 40, (30, 2)), 3, 0) + rng.uniform(0, 1.5, (90, 2))
    boxes = [(x, y, x + 20.0, y + 20.0) for x, y in corners.tolist()]
    picture = raw_picture(*(raw_object(b, key=str(k)) for k, b in enumerate(boxes)))
    found = {(a.key, b.key) for a, b in close_pairs(picture)}
    rounded = [tuple(map(round, b)) for b in boxes]
    expected = {
        (str(i), str(j))
        for j in range(90)
        for i in range(j)
        if overlap(boxes[i], boxes[j]) >= 0.9 and rounded[i] != rounded[j]
    }
    assert found == expected and len(found) > 5


def test_empty_pictures():
    some = raw_set(raw_picture(raw_object()), raw_picture(key=2))
    found = checks(annotation_findings(some, {}))
    assert (found["picture.empty"].severity, found["picture.empty"].count) == ("note", 1)
    region = raw_object(region=True)
    most = raw_set(raw_picture(raw_object()), raw_picture(key=2), raw_picture(region, key=3))
    found = checks(annotation_findings(most, {}))
    assert found["picture.empty"].severity == "warning"
    assert "1 of them with regions" in found["picture.empty"].what
    assert found["object.regions"].count == 1


def test_boxes_over_the_whole_picture():
    whole, part = raw_object((0.0, 0.0, 64.0, 48.0)), raw_object()
    few = raw_set(*(raw_picture(whole if k == 0 else part, key=k) for k in range(8)))
    assert checks(annotation_findings(few, {}))["box.whole_picture"].severity == "note"
    many = raw_set(raw_picture(whole), raw_picture(whole, key=2))
    assert checks(annotation_findings(many, {}))["box.whole_picture"].severity == "warning"


def test_no_pictures():
    assert annotation_findings(raw_set(), {}) == []


def test_a_region_that_several_classes_ignore_counts_once():
    regions = [raw_object(A, label=name, region=True) for name in ("cat", "dog")]
    crowd = raw_object((0.0, 0.0, 9.0, 9.0), region=True)
    own = raw_set(raw_picture(raw_object(FAR), *regions, crowd))
    finding = checks(annotation_findings(own, {}))["object.regions"]
    assert finding.count == 2 and "2 for cat, 1 for dog" in finding.what
