import math

import numpy as np
import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.quality.stage_arrivals import (
    EXTRAPOLATED,
    MEASURED,
    PAPER_FIRST,
    Refinement,
    Sampling,
    deltas_between,
    error_of,
    extrapolate,
    iou_of,
    measured_arrivals,
    next_refinement,
    stages_of,
    weighted_median,
)
from tests.quality import makers

OBJECT = [0, 0, 10, 10]
HALF = [0, 0, 10, 5]  # IoU .5
MOST = [0, 0, 10, 8]  # IoU .8
FAR = [50, 50, 60, 60]  # IoU 0


def one_image(inputs, outputs=None, objects=(OBJECT,), **kwargs):
    stage = makers.stage(inputs, outputs)
    return makers.recording([makers.image(makers.truth(objects, **kwargs), [stage])])


@pytest.mark.parametrize(
    ("iou", "error"),
    [
        (1.0, 0.0),  # on its object
        (0.0, 1.0),  # beside it
        (0.6, 0.25),  # shifted by a quarter of its width: 3/4 by 5/4
    ],
)
def test_an_iou_is_a_shift(iou, error):
    assert error_of(np.array([iou]))[0] == pytest.approx(error)
    assert iou_of(np.array([error]))[0] == pytest.approx(iou)


def test_rois_are_weighted_as_they_would_be_drawn():
    # 4 rois of which a half may be positive: 2 of 2 proposals and 1 copy of the object
    # share two places, and 2 places go to 4 negatives.
    recording = one_image([HALF, MOST, FAR, FAR, FAR, FAR])
    (arrivals, _), _ = measured_arrivals(recording, None, Sampling(4, 0.5, 0.5))
    assert arrivals.weights == pytest.approx([2 / 3, 2 / 3, 0.5, 0.5, 0.5, 0.5])
    assert arrivals.ious == pytest.approx([0.5, 0.8, 0, 0, 0, 0])
    assert arrivals.per_image == pytest.approx(2 / 3 + 2 / 3 + 2)
    assert np.isnan(arrivals.deltas[2:]).all()  # FAR has no object


def test_all_rois_are_drawn_where_there_are_few():
    recording = one_image([HALF, FAR])
    (arrivals, _), _ = measured_arrivals(recording, None, Sampling(512, 0.25, 0.5))
    assert arrivals.weights == pytest.approx([1, 1])


def test_background_in_an_ignored_region_is_not_drawn():
    recording = one_image([HALF, FAR], objects=(OBJECT, FAR), ignored=[False, True])
    (arrivals, _), _ = measured_arrivals(recording, None, Sampling())
    assert arrivals.ious == pytest.approx([0.5])


def test_what_leaves_the_last_stage_enters_the_next():
    recording = one_image([HALF, FAR], [MOST, FAR])
    (first, second), left = measured_arrivals(recording, None, Sampling())
    assert (first.stage, second.stage) == (0, 1)
    assert second.ious == pytest.approx([0.8, 0])
    assert second.basis == MEASURED
    # .5 is an error of 1/3, .8 one of 1/9.
    assert (left.left, left.basis) == (pytest.approx(1 / 3), MEASURED)


def test_deltas_are_the_coders():
    # To the right by half a width, twice as high.
    found = deltas_between(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[5.0, 0, 15, 20]]))
    assert found[0].tolist() == pytest.approx([0.5, 0.5, 0, math.log(2)])


def test_proposals_alone_are_assumed_to_be_refined_as_in_the_paper():
    stage = makers.stage([HALF, FAR])
    stage = type(stage)(0, stage.input_boxes, stage.input_scores, {}, {}, stage.output_boxes)
    recording = makers.recording([makers.image(makers.truth([OBJECT]), [stage])])
    arrivals, left, spread = stages_of(recording, None, Sampling(), 3)
    assert [a.basis for a in arrivals] == [MEASURED, EXTRAPOLATED, EXTRAPOLATED]
    assert (left.left, left.basis) == (PAPER_FIRST, EXTRAPOLATED)
    assert arrivals[1].ious[0] == pytest.approx(float(iou_of(np.array([PAPER_FIRST / 3]))[0]))
    assert spread[0] is None
    assert [spread[1][0].ious[0], spread[2][0].ious[0]] == pytest.approx([0.5, 0.5])  # at worst
    assert spread[2][1].ious[0] > arrivals[2].ious[0] > arrivals[1].ious[0]


def test_iterative_bbox_has_one_stage():
    passes = [makers.stage([HALF], [MOST], head=0), makers.stage([MOST], [OBJECT], head=0)]
    recording = makers.recording([makers.image(makers.truth([OBJECT]), passes)])
    (first, second), _ = measured_arrivals(recording, None, Sampling())
    # The second pass is no stage 2, but what the first pass gives would enter one.
    assert second.ious == pytest.approx([0.8])
    assert first.ious == pytest.approx([0.5])


def test_a_cascade_is_measured_as_far_as_it_goes():
    stages = [makers.stage([HALF], [MOST], head=0), makers.stage([MOST], [OBJECT], head=1)]
    recording = makers.recording([makers.image(makers.truth([OBJECT]), stages)])
    arrivals, _ = measured_arrivals(recording, None, Sampling())
    assert [a.ious[0] for a in arrivals] == pytest.approx([0.5, 0.8, 1.0])


def test_training_samples_leave_copies_out():
    samples = makers.sample_recording(
        [
            makers.samples(
                [0.5, 0.6, 1.0, 0.0],
                from_gt=[False, False, True, False],
                output_ious=[0.8, 0.6, 1.0, 0.0],
                deltas=[[0.3, 0, 0, 0], [0.2, 0, 0, 0], [0.0, 0, 0, 0], [math.nan] * 4],
            )
        ],
        num_images=2,
    )
    (first, second), left = measured_arrivals(None, samples, Sampling())
    assert first.ious == pytest.approx([0.5, 0.6, 0])
    assert first.per_image == 1.5
    assert second.ious == pytest.approx([0.8, 0.6, 0])
    # The first box has a third of its error left, and so a third of its delta.
    assert second.deltas[:2, 0] == pytest.approx([0.1, 0.2])
    assert left.basis == MEASURED


@pytest.mark.parametrize(
    ("ious", "images", "sampling"),
    [
        ([0.6] * 4 + [0.1] * 12, 2, Sampling(8, 0.25, 0.5)),  # as many as a quarter allows
        ([0.6] * 1 + [0.1] * 15, 2, Sampling(8, 0.25, 0.5)),  # fewer: a quarter may be allowed
        ([0.6] * 7 + [0.1] * 9, 2, Sampling(8, 0.5, 0.5)),  # more: 3.5 of 8 need 4 places
        ([], 2, Sampling()),
        ([], 0, Sampling()),
    ],
)
def test_how_samples_were_drawn(ious, images, sampling):
    assert Sampling.of(makers.sample_recording([makers.samples(ious)], images)) == sampling


def test_both_kinds_complete_each_other():
    samples = makers.sample_recording([makers.samples([0.7, 0.0])])
    recording = one_image([HALF], [MOST])
    (first, second), _ = measured_arrivals(recording, samples, Sampling())
    assert first.ious == pytest.approx([0.7, 0])  # as they were drawn
    assert second.ious == pytest.approx([0.8])  # as they left the regressor


def test_extrapolation_shrinks_errors_of_boxes_on_objects():
    (arrivals, _), _ = measured_arrivals(one_image([HALF, FAR, [0, 0, 10, 2]]), None, Sampling())
    later = extrapolate(arrivals, 0.5)
    # 1/3 becomes 1/6, which is an IoU of 5/7; .2 is below what a regressor moves.
    assert later.ious == pytest.approx([5 / 7, 0, 0.2])
    assert later.deltas[0] == pytest.approx(arrivals.deltas[0] / 2)
    assert (later.stage, later.basis) == (1, EXTRAPOLATED)


@pytest.mark.parametrize(
    ("left", "then"),
    [
        (0.49, 0.49**0.56),  # as in the paper
        (1.2, 1.0),  # a regressor that harms is not thought to go on
        (math.nan, math.nan),  # no boxes to tell by
    ],
)
def test_a_second_regressor_gains_less(left, then):
    assert next_refinement(Refinement(left, MEASURED)).left == pytest.approx(then, nan_ok=True)


def test_nothing_at_all():
    with pytest.raises(InputError, match="recording of the stages"):
        measured_arrivals(None, None, Sampling())
    assert stages_of(None, makers.sample_recording([], 0), Sampling(), 3)[0] == ()


@pytest.mark.parametrize(
    "recording",
    [
        makers.recording(),  # no images
        one_image([]),  # no rois
        one_image([HALF], objects=()),  # no objects
        one_image([[3, 3, 4, 4]], objects=([3, 3, 4, 4],)),  # one pixel
    ],
)
def test_little_to_go_by(recording):
    arrivals, _, _ = stages_of(recording, None, Sampling(), 3)
    assert len(arrivals) == 3
    for each in arrivals:
        assert len(each.ious) == len(each.weights) == len(each.deltas) == len(each.image)
        assert np.isfinite(each.ious).all()


@pytest.mark.parametrize(
    ("values", "weights", "median"),
    [
        ([3, 1, 2], [1, 1, 1], 2),
        ([1, 2], [1, 9], 2),  # most of the weight is on 2
        ([], [], math.nan),
    ],
)
def test_weighted_median(values, weights, median):
    found = weighted_median(np.array(values, float), np.array(weights, float))
    assert found == pytest.approx(median, nan_ok=True)
