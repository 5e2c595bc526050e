"""Kinds of detections, worked out by hand."""

import pytest

from cascadekit.quality.error_types import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    CORRECT,
    DUPLICATE,
    LOCALISATION,
    UNCOUNTED,
    classify_detections,
)
from tests.quality import makers

A, B = [0.0, 0, 10, 10], [50.0, 50, 60, 60]  # objects of class 0 and 1
OBJECTS = dict(boxes=[A, B], labels=[0, 1])


@pytest.mark.parametrize(
    ("box", "label", "kind", "target"),
    [
        (A, 0, CORRECT, 0),
        ([0, 0, 10, 5], 0, CORRECT, 0),  # IoU .5 exactly
        ([0, 0, 10, 4], 0, LOCALISATION, 0),  # IoU .4
        ([0, 0, 10, 1], 0, LOCALISATION, 0),  # IoU .1, the floor
        ([0, 0, 10, 0.9], 0, BACKGROUND, -1),
        (A, 1, CLASSIFICATION, 0),
        ([0, 0, 10, 4], 1, BOTH, 0),
        ([80, 80, 90, 90], 0, BACKGROUND, -1),
        ([0, 0, 0, 0], 0, BACKGROUND, -1),  # no area
    ],
)
def test_one_detection(box, label, kind, target):
    errors = classify_detections(makers.found([box], labels=[label]), makers.truth(**OBJECTS), 0.5)
    assert errors.kinds.tolist() == [kind]
    assert errors.targets.tolist() == [target]
    assert errors.found_by.tolist() == [0 if kind == CORRECT else -1, -1]


def test_a_higher_threshold_turns_correct_into_loose():
    found = makers.found([[0, 0, 10, 7]])  # IoU .7, which float32 puts just below
    objects = makers.truth(**OBJECTS)
    kinds = [classify_detections(found, objects, t).kinds.tolist() for t in (0.5, 0.7, 0.75)]
    assert kinds == [[CORRECT], [CORRECT], [LOCALISATION]]


def test_the_best_score_takes_the_object():
    # The tighter box comes second: a duplicate all the same.
    found = makers.found([[0, 0, 10, 6], A, A])
    errors = classify_detections(found, makers.truth([A]), 0.5)
    assert errors.kinds.tolist() == [CORRECT, DUPLICATE, DUPLICATE]
    assert errors.targets.tolist() == [0, 0, 0]
    assert errors.found_by.tolist() == [0]


def test_a_second_detection_takes_the_next_free_object():
    # Two overlapping objects; both detections lie best on the first.
    objects = makers.truth([[0, 0, 10, 10], [0, 0, 10, 6]])
    found = makers.found([[0, 0, 10, 10], [0, 0, 10, 9]])
    errors = classify_detections(found, objects, 0.5)
    assert errors.kinds.tolist() == [CORRECT, CORRECT]
    assert errors.found_by.tolist() == [0, 1]


def test_an_object_of_the_own_class_goes_before_a_loose_one_of_another():
    objects = makers.truth([A, [0, 0, 10, 3]], labels=[0, 1])
    loose = makers.found([[0, 0, 10, 4.5]], labels=[0])  # .45 of its own, .67 of the other
    assert classify_detections(loose, objects, 0.5).kinds.tolist() == [CLASSIFICATION]
    assert classify_detections(loose, objects, 0.75).kinds.tolist() == [LOCALISATION]


@pytest.mark.parametrize(
    ("crowd", "box", "label", "kind"),
    [
        (False, [0, 0, 10, 10], 0, UNCOUNTED),
        (False, [0, 0, 10, 4], 0, UNCOUNTED),  # nowhere near another: not known to be wrong
        (False, [0, 0, 10, 10], 1, UNCOUNTED),  # of another class: likewise
        (False, [0, 0, 10, 0.5], 0, BACKGROUND),
        (True, [2, 2, 4, 4], 0, UNCOUNTED),  # all of it in the crowd, IoU .04
        (True, [8, 0, 28, 10], 0, UNCOUNTED),  # a tenth of it
        (True, [9.5, 0, 29.5, 10], 0, BACKGROUND),
    ],
)
def test_ignored_objects_and_crowds(crowd, box, label, kind):
    objects = makers.truth([A], crowd=[crowd], ignored=[True])
    errors = classify_detections(makers.found([box, box], labels=[label] * 2), objects, 0.5)
    assert errors.kinds.tolist() == [kind, kind]  # any number of them
    assert errors.targets.tolist() == [-1, -1]
    assert len(errors.found_by) == 0


def test_a_counted_object_goes_before_an_ignored_one():
    objects = makers.truth([[0, 0, 10, 9], A], ignored=[True, False])
    found = makers.found([A, A, [50.0, 50, 60, 60]])
    errors = classify_detections(found, objects, 0.5)
    assert errors.kinds.tolist() == [CORRECT, UNCOUNTED, BACKGROUND]
    assert errors.targets.tolist() == [0, -1, -1]  # row 0 of the counted


def test_a_wrong_class_on_an_object_counts_though_an_ignored_one_is_near():
    objects = makers.truth([A, [0, 0, 10, 4]], labels=[0, 0], ignored=[False, True])
    found = makers.found([A], labels=[1])
    assert classify_detections(found, objects, 0.5).kinds.tolist() == [CLASSIFICATION]


def test_nothing():
    empty = classify_detections(makers.found(), makers.truth(), 0.5)
    assert len(empty.kinds) == len(empty.targets) == len(empty.found_by) == 0
    alone = classify_detections(makers.found([A]), makers.truth(), 0.5)
    assert alone.kinds.tolist() == [BACKGROUND]
    missed = classify_detections(makers.found(), makers.truth([A]), 0.5)
    assert missed.found_by.tolist() == [-1]


def test_low_scores_do_not_change_the_others():
    boxes = [[0, 0, 10, 6], A, [0, 0, 10, 3], B]
    whole = classify_detections(
        makers.found(boxes, labels=[0, 0, 0, 1]), makers.truth(**OBJECTS), 0.5
    )
    part = classify_detections(makers.found(boxes[:2], labels=[0, 0]), makers.truth(**OBJECTS), 0.5)
    assert whole.kinds[:2].tolist() == part.kinds.tolist()
