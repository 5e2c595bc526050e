"""Boxes for a detector to start from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cascadekit.datasets.proposal_files import PictureProposals, ProposalFile, write_proposals
from cascadekit.errors import InputError
from cascadekit.quality.proposal_sets import (
    ProposalSet,
    stage_inputs,
    stage_outputs,
    with_ground_truth,
)
from tests.quality import makers

A, B, C = [0.0, 0, 10, 10], [5.0, 5, 30, 30], [40.0, 0, 60, 20]


def two_images():
    """Ids 7 and "x"; the second has no rois and a crowd beside its object."""
    stages = (
        makers.stage([A, B], [B, C], scores=[0.9, 0.4], logits={0: [[0, 0], [3, 0]]}),
        makers.stage([B, C], [C, C], scores=[0.5, 0.95], head=1),
    )
    empty = (makers.stage(), makers.stage(head=1))
    crowded = makers.truth([A, C], crowd=[False, True])
    images = [makers.image(makers.truth([C]), stages), makers.image(crowded, empty)]
    named = [
        replace(image, info=replace(image.info, image_id=key))
        for image, key in zip(images, (7, "x"), strict=True)
    ]
    return makers.recording(named, ious=(0.5, 0.6))


def test_what_enters_a_stage():
    first, second = stage_inputs(two_images(), 0), stage_inputs(two_images(), 1)
    assert (first.name, second.name) == ("RPN", "boxes entering stage 2")
    assert first.of(7).boxes.tolist() == [A, B] and second.of(7).boxes.tolist() == [B, C]
    assert second.of(7).scores.tolist() == pytest.approx([0.5, 0.95])
    assert len(first) == 2 and len(first.of("x")) == 0
    assert not first.of(7).from_gt.any()


def test_what_leaves_a_stage():
    after = stage_outputs(two_images(), 0)
    assert after.name == "boxes after stage 1" and after.of(7).boxes.tolist() == [B, C]
    # The best class probability of logits (0, 0) and (3, 0), background last.
    assert after.of(7).scores.tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-3))])
    assert stage_outputs(two_images(), 1, name="cascade").name == "cascade"


def test_ground_truth_joins():
    recording = two_images()
    joined = with_ground_truth(stage_inputs(recording, 0), recording)
    assert joined.name == "RPN + ground truth"
    own = joined.of(7)
    assert own.boxes.tolist() == [A, B, C] and own.from_gt.tolist() == [False, False, True]
    assert own.scores.tolist() == pytest.approx([0.9, 0.4, 1])
    assert joined.of("x").boxes.tolist() == [A]  # no crowd
    # Images that a set does not have get their objects too; images that are not recorded go.
    other = ProposalSet.from_boxes({"y": [B]}, {"y": [0.5]})
    assert sorted(map(str, with_ground_truth(other, recording, "mine").images)) == ["7", "x"]


def test_an_unknown_image_has_none():
    none = ProposalSet.from_boxes({}, {}).of(3)
    assert none.boxes.shape == (0, 4) and none.scores.shape == none.from_gt.shape == (0,)


def test_from_plain_arrays():
    given = ProposalSet.from_boxes({1: np.array([A]), 2: []}, {1: [0.5], 2: []}, {1: [True]})
    assert given.of(1).boxes.dtype == torch.float32 and given.of(1).from_gt.tolist() == [True]
    assert given.of(2).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "boxes, scores, from_gt, message",
    [
        ({1: [A]}, {2: [0.5]}, None, "of different images"),
        ({1: [A]}, {1: [0.5, 0.5]}, None, r"image 1: 1 boxes, but scores are \(2,\)"),
        ({1: [A]}, {1: [0.5]}, {1: [True, False]}, r"from_gt \(2,\)"),
        ({1: [[0, 0, 5]]}, {1: [0.5]}, None, r"boxes must be \(R, 4\), got \(1, 3\)"),
        ({1: [[0, 0, 5, np.nan]]}, {1: [0.5]}, None, "not finite"),
    ],
)
def test_faulty_boxes(boxes, scores, from_gt, message):
    with pytest.raises(InputError, match=message):
        ProposalSet.from_boxes(boxes, scores, from_gt)


def test_faulty_recordings():
    recording = two_images()
    with pytest.raises(InputError, match=r"stage must be 0\.\.1 .*got 2"):
        stage_inputs(recording, 2)
    with pytest.raises(InputError, match="got -1"):
        stage_outputs(recording, -1)
    twice = replace(recording, images=recording.images[:1] * 2)
    with pytest.raises(InputError, match="two images of the recording have the id 7"):
        stage_inputs(twice, 0)
    assert len(stage_inputs(makers.recording(), 0)) == 0  # no images


def test_from_a_file(tmp_path):
    file = tmp_path / "boxes.safetensors"
    pictures = [
        PictureProposals(7, "a", (100, 100), np.array([A, B], "f"), np.array([0.2, 0.9], "f")),
        PictureProposals("x", "b", (100, 100), np.zeros((0, 4), "f"), np.zeros(0, "f")),
    ]
    write_proposals(file, pictures, {})
    stored = ProposalSet.from_stored(ProposalFile(file), name="file")
    assert stored.name == "file" and stored.of(7).boxes.tolist() == [B, A]
    assert len(stored.of("x")) == 0
    assert ProposalSet.from_stored(ProposalFile(file), most=1).of(7).boxes.tolist() == [B]
