import pytest

from cascadekit.doctor.object_faults import OBJECT_FAULTS, faults_of, mask_extent, overlap
from tests.doctor.makers import raw_object

SIZE = (64, 48)
SQUARE = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]
INSIDE = (10.0, 10.0, 30.0, 30.0)


def names(item, size=SIZE):
    return [fault.check for fault in faults_of(item, size)[0]]


@pytest.mark.parametrize(
    ("box", "expected", "mended"),
    [
        (INSIDE, [], INSIDE),
        ((0.0, 0.0, 64.0, 48.0), [], (0.0, 0.0, 64.0, 48.0)),  # up to the border
        ((-0.5, 10.0, 30.0, 30.0), [], (-0.5, 10.0, 30.0, 30.0)),  # rounded by a hair
        ((-5.0, 10.0, 30.0, 30.0), ["box.outside"], (0.0, 10.0, 30.0, 30.0)),
        ((50.0, 40.0, 80.0, 60.0), ["box.outside"], (50.0, 40.0, 64.0, 48.0)),
        ((70.0, 10.0, 90.0, 30.0), ["box.beyond"], None),
        ((64.0, 10.0, 70.0, 30.0), ["box.beyond"], None),  # touches the border from outside
        ((10.0, 10.0, 10.0, 30.0), ["box.zero_area"], None),
        ((10.0, 10.0, 10.0, 10.0), ["box.zero_area"], None),
        ((30.0, 30.0, 10.0, 10.0), ["box.swapped"], INSIDE),
        # turned first, then it has no extent
        ((30.0, 10.0, 10.0, 10.0), ["box.swapped", "box.zero_area"], None),
        ((10.0, 10.0, 11.0, 11.0), ["box.thin"], (10.0, 10.0, 11.0, 11.0)),  # one pixel
        ((10.0, 10.0, 12.0, 12.0), [], (10.0, 10.0, 12.0, 12.0)),
        (None, ["box.none"], None),
    ],
)
def test_boxes(box, expected, mended):
    item = raw_object(box)
    assert names(item) == expected
    kept = faults_of(item, SIZE)[1]
    assert (None if kept is None else kept.box) == mended


@pytest.mark.parametrize(
    ("segmentation", "expected", "kept"),
    [
        (None, [], None),
        ([], [], []),
        ([SQUARE], [], [SQUARE]),
        (SQUARE, [], SQUARE),  # the outer list was forgotten: the reader puts it back
        ([[1.0, 1.0, 2.0, 2.0]], ["mask.unusable"], None),  # two points
        ([[1.0, 1.0, 2.0, 2.0, 3.0]], ["mask.unusable"], None),  # odd
        ([[1.0, 1.0, 5.0, 1.0, 9.0, 1.0]], ["mask.unusable"], None),  # flat
        ([[1.0, 1.0, 2.0, 2.0], SQUARE], ["mask.degenerate"], [SQUARE]),
        ({"size": [9, 9], "counts": [81]}, ["mask.unusable"], None),  # another size
        ("polygon", ["mask.unusable"], None),
        # covers the other corner: which of the two is right, only a person can tell
        ([[40.0, 35.0, 50.0, 35.0, 50.0, 45.0]], ["mask.disagrees"], "same"),
    ],
)
def test_masks(segmentation, expected, kept):
    item = raw_object(segmentation=segmentation)
    assert names(item) == expected
    mended = faults_of(item, SIZE)[1]
    assert mended is not None and mended.box == INSIDE
    assert mended.segmentation == (segmentation if kept == "same" else kept)


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (None, []),
        (400.0, []),
        (200.0, []),  # of a mask
        (0.0, ["area.wrong"]),
        (-1.0, ["area.wrong"]),
        (421.0, []),  # 400 * 1.05 + 1
        (422.0, ["area.wrong"]),
    ],
)
def test_areas(area, expected):
    item = raw_object(area=area)
    assert names(item) == expected
    assert faults_of(item, SIZE)[1].area == (None if expected else area)


def test_a_box_that_is_cut_loses_an_area_that_no_longer_fits():
    item = raw_object((-20.0, 10.0, 20.0, 30.0), area=800.0)
    found, kept = faults_of(item, SIZE)
    assert [f.check for f in found] == ["box.outside"] and kept.area is None


def test_without_a_size_nothing_is_outside():
    assert names(raw_object((-50.0, 0.0, 900.0, 900.0)), (0, 0)) == []


def test_regions_may_be_thin_and_ragged():
    item = raw_object((1.0, 1.0, 2.0, 9.0), region=True, segmentation=[[40.0, 35, 50, 35, 50, 45]])
    assert names(item) == []


def test_extent_and_overlap():
    rle = {"size": [4, 5], "counts": [5, 2, 13]}  # column 1, rows 1 and 2
    assert mask_extent(rle) == (1, 1, 2, 3)
    assert mask_extent({"size": [4, 5], "counts": [20]}) is None
    assert mask_extent([SQUARE]) == INSIDE
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0  # touching
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_every_fault_says_what_to_do():
    for fault in OBJECT_FAULTS:
        assert fault.fix and bool(fault.repair) == (fault.mend is not None)
