"""Rules that all data sets share."""

import math

import pytest

from cascadekit.datasets.records import (
    Tally,
    add_region,
    check_count,
    clip_box,
    keep_for_training,
    select_classes,
    usable_segmentation,
)
from cascadekit.errors import InputError


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([2, 3, 8, 9], [2, 3, 8, 9]),  # inside: unchanged
        ([-5, -1, 8, 9], [0, 0, 8, 9]),  # over the left and upper border
        ([2, 3, 30, 12], [2, 3, 20, 10]),  # over the right and lower border
        ([4, 4, 5, 5], [4, 4, 5, 5]),  # one pixel stays
        ([4, 4, 4, 9], None),  # no width
        ([4, 4, 9, 4], None),  # no height
        ([9, 4, 4, 9], None),  # inverted
        ([20, 0, 25, 5], None),  # right of the picture, touching it
        ([math.nan, 0, 5, 5], None),
        ([0, 0, math.inf, 5], None),
    ],
)
def test_clip_box(box, expected):
    assert clip_box(box, width=20, height=10) == expected


SQUARE = [0, 0, 4, 0, 4, 4, 0, 4]


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ([SQUARE], [SQUARE]),
        (SQUARE, [SQUARE]),  # the outer list forgotten
        ([SQUARE, [1, 1, 2, 2]], [SQUARE]),  # two points are no polygon
        ([[1, 1, 2, 2]], None),
        ([[0, 0, 4, 0, 4, 4, 0]], None),  # odd number of numbers
        ([[0, 0, 4, 0, 8, 0]], None),  # flat
        ([[0, 0, 4, math.nan, 8, 9]], None),
        ([["0", "0", "4", "0", "4", "4"]], None),
        ([], None),
        (None, None),
        ({"size": [6, 5], "counts": [10, 20]}, {"size": [6, 5], "counts": [10, 20]}),
        ({"size": [6, 5], "counts": [10, 10]}, None),  # 20 pixels of 30
        ({"size": [5, 6], "counts": [10, 20]}, None),  # size turned
        ({"size": [6, 5]}, None),
        ({}, None),
    ],
)
def test_usable_segmentation(segmentation, expected):
    assert usable_segmentation(segmentation, height=6, width=5) == expected


def test_select_classes_takes_order_of_the_wish():
    assert select_classes(["a", "b", "c"], ["c", "a"], "x.json") == ("c", "a")
    assert select_classes(["a", "b"], None, "x.json") == ("a", "b")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["cat", "dogs"], "'dogs' is not in x.json.*Did you mean 'dog'"),
        (["cat", "cat"], "twice"),
        ("cat", "list of names"),
        ([], "empty"),
    ],
)
def test_select_classes_faults(wanted, message):
    with pytest.raises(InputError, match=message):
        select_classes(["cat", "dog"], wanted, "x.json")


def record(width, height, *kinds):
    instances = [{"iscrowd": int(k == "crowd"), "ignore": int(k == "ignore")} for k in kinds]
    return {"width": width, "height": height, "instances": instances}


def test_keep_for_training_counts():
    records = [
        record(50, 50, "object"),
        record(50, 31, "object"),  # short side below 32
        record(50, 50),  # nothing in it
        record(50, 50, "crowd", "ignore"),  # nothing to learn in it
        record(50, 32, "crowd", "object"),
    ]
    tally = Tally()
    assert keep_for_training(records, False, 32, tally) == [records[0], records[4]]
    assert (tally.small_images, tally.empty_images) == (1, 2)
    assert len(keep_for_training(records, True, 0, Tally())) == 5


@pytest.mark.parametrize(
    ("count", "indices", "message"),
    [
        (0, None, "leaves no picture"),
        (5, 0, "no picture"),
        (5, [], "no picture"),
        (5, [4, 5], "picture 5, but x has 5"),
        (5, [-6], "picture -6"),
    ],
)
def test_check_count_faults(count, indices, message):
    with pytest.raises(InputError, match=message):
        check_count(count, indices, "x", "")


@pytest.mark.parametrize("indices", [None, 3, -2, 99, [4, -5], range(2)])
def test_check_count_accepts(indices):
    check_count(5, indices, "x", "")


def test_tally_names_only_what_happened():
    quiet = Tally(objects=3).summary("x", 2, 1)
    assert quiet == "x: 2 pictures, 3 objects, 1 classes"
    loud = Tally(objects=3, clipped=1, empty=2, no_mask=1).summary("x", 2, 1)
    assert "1 boxes cut" in loud and "2 empty boxes" in loud and "1 objects without" in loud
    # A set without any mask is a box set, not a faulty one.
    assert "mask" not in Tally(objects=3, no_mask=3).summary("x", 2, 1)


@pytest.mark.parametrize(
    ("box", "labels", "expected", "objects"),
    [
        ([2, 3, 30, 8], (0, 1), [([2, 3, 20, 8], 0), ([2, 3, 20, 8], 1)], 1),  # once for each class
        ([2, 3, 30, 8], (1,), [([2, 3, 20, 8], 1)], 1),
        ([2, 3, 2, 8], (0, 1), [], 0),  # nothing of it is left
    ],
)
def test_a_region_of_several_classes(box, labels, expected, objects):
    record = {"width": 20, "height": 10, "instances": []}
    tally = Tally()
    add_region(record, box, labels, {"area": None, "ignore": 1, "segmentation": None}, tally)
    assert [(i["bbox"], i["label"]) for i in record["instances"]] == expected
    assert tally.objects == objects  # it is counted once
