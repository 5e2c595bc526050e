"""What enters a stage and what it hands on, row by row."""

import pytest
import torch

from cascadekit.models.roi_heads.stage_flow import StageFlow
from cascadekit.structures.samples import ImageInfo, Proposals, StageOutput, Targets

INFO = ImageInfo((50, 100), (50, 100))
INPUT = torch.tensor([[0.0, 0, 10, 10], [5, 5, 20, 20], [1, 1, 9, 9]])
# What the stage made of them: beyond the border, empty, and a refined copy of ground truth.
REFINED = torch.tensor([[-5.0, 0, 120, 10], [5, 5, 5, 20], [1, 1, 8, 8]])


def output(boxes=REFINED):
    rows = torch.zeros(3)
    proposals = Proposals(INPUT, rows.long(), rows, torch.tensor([False, False, True]))
    logits = torch.zeros(3, 2)
    return StageOutput(
        0, 0, proposals, None, {0: logits}, boxes[:, None], {0: boxes[:, None]}, boxes
    )


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0]),  # the empty box and the copy are dropped
        ({"keep_refined_gt": True}, [0, 2]),  # detectron2
        ({"drop_empty": False}, [0, 1]),  # mmdetection
        ({"drop_empty": False, "keep_refined_gt": True}, [0, 1, 2]),
    ],
)
def test_what_goes_on_in_training(options, kept):
    after = StageFlow(**options).next_proposals(output(), training=True)
    assert torch.equal(after.boxes, REFINED[kept])
    assert after.from_gt.tolist() == [row == 2 for row in kept]


def test_inference_keeps_every_row():
    after = StageFlow().next_proposals(output(), training=False)
    assert torch.equal(after.boxes, REFINED)


@pytest.mark.parametrize("training", [True, False])
def test_shared_rois_are_the_first_stages(training):
    after = StageFlow(rois="shared").next_proposals(output(), training)
    assert torch.equal(after.boxes, INPUT) and after.from_gt.any()


def test_clipping():
    index = torch.zeros(3).long()
    assert torch.equal(StageFlow().fitted(REFINED, index, [INFO]), REFINED)
    clipped = StageFlow(clip_boxes=True).fitted(REFINED, index, [INFO])
    assert clipped[0].tolist() == [0, 0, 100, 10]
    # Each box at the border of its own picture.
    other = ImageInfo((50, 60), (50, 60))
    clipped = StageFlow(clip_boxes=True).fitted(REFINED, torch.tensor([1, 1, 0]), [INFO, other])
    assert clipped[0].tolist() == [0, 0, 60, 10]
    assert StageFlow(clip_boxes=True).fitted(REFINED[:0], index[:0], [INFO]).shape == (0, 4)


@pytest.mark.parametrize(
    ("options", "joins"),
    [
        ({}, [True, True]),
        ({"gt_stages": "first"}, [True, False]),
        ({"gt_stages": "none"}, [False, False]),
        ({"rois": "shared"}, [True, False]),  # it is among the shared rois already
    ],
)
def test_ground_truth_joins(options, joins):
    target = Targets(torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([0]), torch.zeros(0, 4))
    flow = StageFlow(**options)
    found = [
        len(flow.with_ground_truth(stage, output().proposals, [target])) == 4 for stage in (0, 1)
    ]
    assert found == joins


@pytest.mark.parametrize("faulty", [{"rois": "share"}, {"gt_stages": "last"}])
def test_faults(faulty):
    with pytest.raises(ValueError, match="flow"):
        StageFlow(**faulty)
