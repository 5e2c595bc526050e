"""Rois of a stage and their objects."""

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.quality.stage_inputs import check_most, heads_at, refined_boxes, stage_inputs
from tests.quality import makers

OBJECTS = makers.truth([[0, 0, 10, 10], [50, 50, 60, 60]], ignored=[True, False])
# On the ignored object; IoU 0.5, 0.7 and 1 with the counted one; not finite.
ROIS = [
    *([0, 0, 10, 10], [50, 50, 60, 55], [50, 50, 60, 57], [50, 50, 60, 60]),
    [float("nan"), 50, 60, 60],
]


@pytest.mark.parametrize(
    ("start", "most", "rows"),
    [
        (0.5, None, [1, 2, 3]),
        (0.7, None, [2, 3]),  # both ends belong, in float32 too
        (0.5, 0.7, [1, 2]),
        (0.0, None, [0, 1, 2, 3]),
    ],
)
def test_range(start, most, rows):
    record = makers.image(OBJECTS, [makers.stage(ROIS)])
    inputs = stage_inputs(record, 0, start, most)
    assert inputs.rows.tolist() == rows
    assert inputs.objects[-1] == 0  # rows of the counted objects


def test_without_objects_or_rois():
    nothing = stage_inputs(makers.image(stages=[makers.stage(ROIS[:2])]), 0, 0.5)
    assert len(nothing.rows) == 0
    background = stage_inputs(makers.image(stages=[makers.stage(ROIS[:2])]), 0, 0.0)
    assert background.ious.tolist() == [0, 0] and background.objects.tolist() == [-1, -1]
    assert len(stage_inputs(makers.image(OBJECTS, [makers.stage()]), 0, 0.0).rows) == 0


def test_heads():
    stage = makers.stage([[0, 0, 1, 1]], logits={2: [[0, 0]], 1: [[0, 0]]}, boxes={2: [[0] * 4]})
    recording = makers.recording([makers.image(stages=[stage])])
    assert heads_at(recording, 0) == ([0, 1, 2], [0, 2])
    assert heads_at(makers.recording(), 7) == ([], [])
    for number in (-1, 1):
        with pytest.raises(InputError, match=f"no stage {number}: the recording has 1"):
            heads_at(recording, number)


@pytest.mark.parametrize("most", [0.5, 1.1, -1])
def test_a_limit_that_leaves_nothing(most):
    with pytest.raises(InputError, match=r"above 0\.5 and up to 1"):
        check_most(most, 0.5)
    check_most(None, 0.5)
    check_most(0.975, 0.5)


def test_refined_boxes_of_the_likeliest_class():
    # Two classes; background is the likeliest of all for the first roi, and does not count.
    stage = makers.stage(
        [[0, 0, 1, 1]] * 2,
        logits={1: [[0, 1, 5], [3, 1, 0]]},
        boxes={1: [[[0, 0, 1, 1], [0, 0, 2, 2]], [[0, 0, 3, 3], [0, 0, 4, 4]]]},
        classes=2,
    )
    boxes = refined_boxes(stage, 1, torch.tensor([0, 1]))
    assert boxes.tolist() == [[0, 0, 2, 2], [0, 0, 3, 3]]
    assert refined_boxes(stage, 0, torch.tensor([1])).tolist() == [[0, 0, 1, 1]]  # one for all
    assert refined_boxes(stage, 1, torch.zeros(0).long()).shape == (0, 4)
