"""AP with one kind of error mended."""

import math

import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import evaluate_coco
from cascadekit.quality.error_fixes import FIXES, ap_if_fixed
from cascadekit.quality.error_types import classify_detections
from cascadekit.quality.records import to_results
from tests.quality import makers

A, B = [0.0, 0, 10, 10], [50.0, 50, 60, 60]
FAR = [80.0, 80, 90, 90]


def scores(objects, found, threshold=0.5, classes=("a", "b")):
    """Fix (None: as it is) -> AP of one picture."""
    recording = makers.recording([makers.image(objects, (), {"1": found})], classes)
    errors = [classify_detections(found, objects, threshold)]
    as_it_is = evaluate_coco(recording.ground_truth(), to_results(0, found))
    fixed = {fix: ap_if_fixed(recording, "1", errors, threshold, fix) for fix in FIXES}
    return {None: as_it_is.ap_at(round(100 * threshold)), **fixed}


@pytest.mark.parametrize(
    ("objects", "found", "before", "fix", "after"),
    [
        # One object, one loose box: 0 -> 1.
        (makers.truth([A]), makers.found([[0, 0, 10, 4]]), 0, "localisation", 1),
        (makers.truth([A]), makers.found([A], labels=[1]), 0, "classification", 1),
        # The wrong detection comes first, the right one second: precision 1/2 -> 1.
        (makers.truth([A]), makers.found([FAR, A]), 0.5, "background", 1),
        # Loose and wrong: only of use when it goes.
        (
            makers.truth([A, B], labels=[0, 1]),
            makers.found([[0, 0, 10, 4], B], labels=[1, 1]),
            0.25,
            "both",
            0.5,
        ),
        # A duplicate before the second object: 1 up to recall .5, then 2/3 -> 1.
        (
            makers.truth([A, B]),
            makers.found([A, A, B]),
            51 / 101 + 50 / 101 * 2 / 3,
            "duplicate",
            1,
        ),
        # Found one of two, nothing near the other: 51 of the 101 recalls -> all.
        (makers.truth([A, B]), makers.found([A]), 51 / 101, "missed", 1),
    ],
)
def test_a_fix(objects, found, before, fix, after):
    ap = scores(objects, found)
    assert ap[None] == pytest.approx(before)
    assert ap[fix] == pytest.approx(after)
    others = {f: v for f, v in ap.items() if f not in (fix, "missed")}
    assert all(value == pytest.approx(before) for value in others.values())


def test_a_loose_box_beside_a_found_object_goes():
    """Mending it would make a duplicate."""
    ap = scores(makers.truth([A, B]), makers.found([A, [0, 0, 10, 4], B]))
    assert ap[None] == pytest.approx(51 / 101 + 50 / 101 * 2 / 3)
    assert ap["localisation"] == pytest.approx(1)


def test_only_one_of_two_failed_attempts_is_mended():
    ap = scores(makers.truth([A, B]), makers.found([[0, 0, 10, 4], [0, 0, 4, 10], B]))
    assert ap["localisation"] == pytest.approx(1)


def test_an_object_with_a_loose_box_is_not_missed():
    ap = scores(makers.truth([A, B]), makers.found([A, [50, 50, 60, 54]]))
    assert ap["missed"] == ap[None] == pytest.approx(51 / 101)


def test_the_other_threshold():
    found = makers.found([[0, 0, 10, 7]])
    assert scores(makers.truth([A]), found, 0.75)["localisation"] == pytest.approx(1)
    assert scores(makers.truth([A]), found, 0.75)[None] == 0
    assert scores(makers.truth([A]), found, 0.5)[None] == pytest.approx(1)


def test_ignored_objects_stay_ignored():
    objects = makers.truth([A, B], ignored=[False, True])
    ap = scores(objects, makers.found([A, B]))
    assert list(ap.values()) == pytest.approx([1.0] * 7)


def test_nothing():
    assert all(math.isnan(v) for v in scores(makers.truth(), makers.found()).values())
    gone = scores(makers.truth([A]), makers.found())
    assert gone[None] == 0 and math.isnan(gone["missed"])  # no class is left
    with pytest.raises(InputError, match="fix must be one of"):
        ap_if_fixed(makers.recording(), "1", [], 0.5, "luck")
