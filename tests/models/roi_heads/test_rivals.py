"""The rivals of paper section 3 run through the same loop: integral loss and iterative BBox."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from cascadekit.structures.samples import image_infos, to_targets

PLAIN = dict(type="cascadekit.BBoxHead", in_channels=8, fc_channels=16)
CLASSIFIER = {**PLAIN, "regress": False}
SHARED = dict(type="cascadekit.StageFlow", rois="shared")


@pytest.fixture
def integral(tiny):
    """A tiny detector of the integral loss with thresholds 0.5, 0.6, 0.7."""
    return tiny(
        masks=False, flow=SHARED, stage_loss="sum", bbox_head=[PLAIN, CLASSIFIER, CLASSIFIER]
    )


def train_stages(detector, data):
    """The stages of one training pass, without the losses."""
    batch = detector.data_preprocessor(data, True)
    infos, targets = image_infos(batch["data_samples"]), to_targets(batch["data_samples"])
    pyramid = detector.extract(batch["inputs"])
    proposals = detector.propose(pyramid, batch["data_samples"], infos)
    generator = torch.Generator().manual_seed(0)
    return detector.roi_head(pyramid, proposals, infos, targets, generator)


def test_integral_loss_labels_one_set_of_rois_three_times(integral, batch):
    stages = train_stages(integral, batch())
    first = stages[0].proposals
    for stage, u in zip(stages, (0.5, 0.6, 0.7), strict=True):
        # Positives come first in stage 1's sample, and the later stages keep its order.
        assert torch.equal(stage.proposals.boxes, first.boxes)
        assert torch.equal(stage.positive(), stage.matches.ious >= u)


def test_integral_loss_regresses_once(integral, batch):
    data = integral.data_preprocessor(batch(), True)
    losses = integral.loss(data["inputs"], data["data_samples"])
    names = {name for name in losses if name.startswith("stage") and "loss" in name}
    assert names == {"stage1.loss_cls", "stage1.loss_bbox", "stage2.loss_cls", "stage3.loss_cls"}
    sum(value for name, value in losses.items() if "loss" in name).backward()
    assert all(p.grad is not None for p in integral.parameters() if p.requires_grad)
    assert not hasattr(integral.roi_head.bbox_head[1], "fc_reg")


@torch.no_grad()
def test_integral_loss_scores_the_same_boxes_alone_and_together(integral, batch):
    integral.eval().roi_head.all_variants = True
    data = integral.data_preprocessor(batch(), False)
    _, stages = integral.run_stages(data["inputs"], data["data_samples"])
    assert all(torch.equal(stage.class_boxes, stages[0].class_boxes) for stage in stages)
    alone = [stage.logits.softmax(1) for stage in stages]
    _, together = integral.roi_head.score_boxes(stages)
    torch.testing.assert_close(together, torch.stack(alone).mean(0))
    prediction = integral.predict(data["inputs"], data["data_samples"])[0]
    assert list(prediction.variants) == ["1~3", "1", "2", "3", "1~2"]


@pytest.mark.parametrize("first", [(), ((8, 8, 9, 9),)])  # no object, an object of one pixel
def test_integral_loss_without_much_to_learn(integral, batch, first):
    data = integral.data_preprocessor(batch(first=first), True)
    losses = integral.loss(data["inputs"], data["data_samples"])
    assert all(value.isfinite() for value in losses.values())
    sum(value for name, value in losses.items() if "loss" in name).backward()
    assert all(p.grad is not None for p in integral.parameters() if p.requires_grad)


@torch.no_grad()
def test_iterative_bbox_applies_one_head_three_times(tiny, batch):
    base = tiny(stage_ious=1, masks=False).eval()
    iterative = tiny(stage_ious=1, masks=False, test_iterations=3).eval()
    iterative.load_state_dict(base.state_dict())  # the same weights: nothing is trained again
    data = base.data_preprocessor(batch(), False)
    pyramid, (once,) = base.run_stages(data["inputs"], data["data_samples"])
    _, passes = iterative.run_stages(data["inputs"], data["data_samples"])
    assert [(stage.stage, stage.head) for stage in passes] == [(0, 0), (1, 0), (2, 0)]
    assert torch.equal(passes[0].boxes, once.boxes)
    # Each pass is the base model on the boxes of the one before.
    for before, after in pairwise(passes):
        infos = image_infos(data["data_samples"])
        (again,) = base.roi_head(pyramid, base_proposals(before), infos)
        assert torch.equal(after.boxes, again.boxes) and torch.equal(after.logits, again.logits)
    # The last pass's classifier scores its own rois.
    boxes, scores = iterative.roi_head.score_boxes(passes)
    assert torch.equal(boxes, passes[2].class_boxes)
    torch.testing.assert_close(scores, passes[2].logits.softmax(1))


def base_proposals(stage):
    """A stage's refined boxes as proposals."""
    return replace(stage.proposals, boxes=stage.boxes)


def test_iterative_bbox_trains_as_its_base(tiny, batch):
    base, iterative = tiny(stage_ious=1), tiny(stage_ious=1, test_iterations=3)
    losses = []
    for detector in (base, iterative):
        data = detector.data_preprocessor(batch(), True)
        generator = torch.Generator().manual_seed(0)
        losses.append(detector.loss(data["inputs"], data["data_samples"], generator))
    assert losses[0].keys() == losses[1].keys()
    assert all(torch.equal(losses[0][name], losses[1][name]) for name in losses[0])


@torch.no_grad()
def test_every_pass_can_be_reported(tiny, batch):
    detector = tiny(stage_ious=1, test_iterations=3).eval()
    detector.roi_head.all_variants = True
    data = detector.data_preprocessor(batch(), False)
    prediction = detector.predict(data["inputs"], data["data_samples"])[0]
    assert sorted(prediction.variants) == ["1", "2", "3"]
    assert len(prediction.stages) == 3


def test_iterations_of_a_cascade_are_refused(tiny):
    with pytest.raises(ValueError, match="test_iterations=2 with 3 stages"):
        tiny(test_iterations=2)
