from dataclasses import replace

import numpy as np
import pytest

from cascadekit.quality.object_consensus import compute_consensus, score, toward_consensus
from cascadekit.structures.samples import ImageInfo
from tests.quality import makers

OBJECT = [0, 0, 100, 100]
NEAR = [0, 0, 100, 60]  # IoU .6
FAR = [0, 0, 100, 40]  # IoU .4


def recorded(inputs, outputs, objects=(OBJECT,), logits=None, size=(200, 200)):
    stage = makers.stage(inputs, outputs, logits=logits)
    one = makers.image(makers.truth(objects), [stage], size=size)
    return makers.recording([one])


def test_boxes_that_differ_and_boxes_that_agree():
    # Right edges at 90, 100 and 110: their mean is the label's.
    outputs = [[0, 0, 90, 100], [0, 0, 100, 100], [0, 0, 110, 100]]
    found = compute_consensus(recorded([NEAR] * 3, outputs))
    assert found.consensus == pytest.approx([1.0])
    assert found.bias[0] == pytest.approx([0, 0, 0, 0])
    assert found.scatter[0] == pytest.approx([0, 0, 0.1, 0])  # std of -.1, 0, .1
    assert found.single == found.agreement == pytest.approx([(0.9 + 1 + 100 / 110) / 3])
    # All at 120: they agree, and the label lies elsewhere.
    found = compute_consensus(recorded([NEAR] * 3, [[0, 0, 120, 100]] * 3))
    assert found.agreement == pytest.approx([1.0])
    assert found.consensus == pytest.approx([100 / 120])
    assert found.bias[0] == pytest.approx([0, 0, 0.2, 0])


def test_edges_are_measured_by_the_objects_sides():
    wide = [0, 0, 200, 50]
    found = compute_consensus(recorded([wide] * 3, [[0, 0, 210, 60]] * 3, [wide]))
    assert found.bias[0] == pytest.approx([0, 0, 10 / 200, 10 / 50])


@pytest.mark.parametrize(
    ("inputs", "objects", "count"),
    [
        ([NEAR] * 3, [OBJECT], 1),
        ([NEAR] * 2, [OBJECT], 0),  # a mean of two says nothing
        ([NEAR, NEAR, FAR], [OBJECT], 0),  # one is not of the object
        ([NEAR] * 3, [], 0),  # no objects
        ([], [OBJECT], 0),  # no rois
        ([[0, 0, 1, 1]] * 3, [[0, 0, 1, 1]], 1),  # one pixel
    ],
)
def test_which_objects_count(inputs, objects, count):
    found = compute_consensus(recorded(inputs, inputs, objects))
    assert len(found.image) == len(found.consensus) == len(found.bias) == count
    assert found.num_objects == len(objects) and found.num_images == 1


def test_rois_go_to_the_object_they_overlap_most():
    other = [100, 0, 200, 100]
    inputs = [OBJECT, OBJECT, OBJECT, other, other, other, other]
    found = compute_consensus(recorded(inputs, inputs, [OBJECT, other]))
    assert found.rois.tolist() == [3, 4] and found.object.tolist() == [0, 1]


def test_ignored_objects_do_not_count():
    recording = recorded([OBJECT] * 3, [OBJECT] * 3)
    image = replace(recording.images[0], truth=makers.truth([OBJECT], ignored=[True]))
    assert compute_consensus(replace(recording, images=(image,))).num_objects == 0


def test_pixels_are_those_of_the_network():
    recording = recorded([OBJECT] * 3, [OBJECT] * 3)
    info = ImageInfo(size=(50, 100), original_size=(200, 200))  # a quarter as high, half as wide
    image = replace(recording.images[0], info=info)
    found = compute_consensus(replace(recording, images=(image,)))
    assert found.pixels == pytest.approx([np.sqrt(25 * 50)])


def test_no_images():
    found = compute_consensus(makers.recording())
    assert found.num_images == 0 and found.bias.shape == (0, 4)
    assert np.isnan(score(toward_consensus(makers.recording())).ap)


def test_boxes_move_to_their_mean():
    outputs = [[0, 0, 90, 100], [0, 0, 100, 100], [0, 0, 140, 100], [150, 150, 160, 160]]
    recording = recorded([NEAR, NEAR, NEAR, [150, 150, 160, 160]], outputs)
    moved = toward_consensus(recording).images[0].stages[0].output_boxes
    assert moved[:3, 2].tolist() == pytest.approx([110, 110, 110])
    assert moved[3].tolist() == [150, 150, 160, 160]  # of no object
    half = toward_consensus(recording, 0.5).images[0].stages[0].output_boxes
    assert half[:3, 2].tolist() == pytest.approx([100, 105, 125])


def test_detections_are_chosen_anew():
    # The best-scored box is the worst; at the mean of the three it is right.
    outputs = [[0, 0, 70, 100], [0, 0, 110, 100], [0, 0, 120, 100]]
    logits = {0: [[5.0, 0], [1, 0], [0, 0]]}
    recording = recorded([NEAR] * 3, outputs, logits=logits)
    before = toward_consensus(recording, 0.0)
    assert before.images[0].detections["1"].boxes[0].tolist() == [0, 0, 70, 100]
    assert score(before).ap_at(75) == pytest.approx(0.5, abs=0.01)  # the second one is
    assert score(toward_consensus(recording)).ap == pytest.approx(1.0)
