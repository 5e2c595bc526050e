"""The stage loop does what paper sections 4.1 to 4.3 say."""

import itertools

import pytest
import torch

from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import image_infos, to_targets


def run_training(detector, data):
    batch = detector.data_preprocessor(data, True)
    targets = to_targets(batch["data_samples"])
    pyramid = detector.extract(batch["inputs"])
    infos = image_infos(batch["data_samples"])
    proposals = detector.rpn_head.propose(detector.rpn_head(pyramid), infos)
    generator = torch.Generator().manual_seed(0)
    return pyramid, targets, detector.roi_head(pyramid, proposals, infos, targets, generator)


def test_training_flow(tiny, batch):
    _, targets, stages = run_training(tiny(), batch())
    assert [stage.stage for stage in stages] == [0, 1, 2]
    for stage, u in zip(stages, (0.5, 0.6, 0.7), strict=True):
        positive = stage.matches.labels < 3
        assert (stage.matches.ious[positive] >= u).all()
        assert (stage.matches.ious[~positive] < u).all()
        # Ground truth is among the rois of every stage (stage 1: unless not drawn).
        assert stage.proposals.from_gt.sum() <= len(targets[0].boxes)
    assert len(stages[0].proposals) <= 2 * 32
    for before, after in itertools.pairwise(stages):
        # Every refined box goes on, but for copies of the truth; then the truth is added again.
        gone = before.proposals.from_gt | box_ops.is_degenerate(before.boxes)
        assert torch.equal(
            after.proposals.boxes[~after.proposals.from_gt].sort(0).values,
            before.boxes[~gone].sort(0).values,
        )
        assert after.proposals.from_gt.sum() == len(targets[0].boxes)
        assert not before.boxes.requires_grad


def test_boxes_are_not_clipped_between_stages(tiny, batch):
    detector = tiny()
    for head in detector.roi_head.bbox_head:
        torch.nn.init.zeros_(head.fc_reg.weight)
        head.fc_reg.bias.data = torch.tensor([8.0, 0.0, 0.0, 0.0])  # far to the right
    _, _, stages = run_training(detector, batch())
    assert stages[1].proposals.boxes[:, 2].max() > 96


def test_inference_keeps_every_row(tiny, batch):
    detector = tiny().eval()
    data = detector.data_preprocessor(batch(), False)
    with torch.no_grad():
        pyramid, stages = detector.run_stages(data["inputs"], data["data_samples"])
        assert len({len(stage.proposals) for stage in stages}) == 1
        for before, after in itertools.pairwise(stages):
            assert torch.equal(after.proposals.boxes, before.boxes)
        # The last stage's rois have all heads' logits, the others their own.
        assert [sorted(s.logits_by_head) for s in stages] == [[0], [1], [0, 1, 2]]
        last = stages[2]
        rois = last.proposals
        pooled = detector.roi_head.box_pool(pyramid, rois.boxes, rois.image_index)
        torch.testing.assert_close(
            last.logits_by_head[0], detector.roi_head.bbox_head[0](pooled)[0]
        )


@pytest.mark.parametrize("name", ["1", "2", "3", "1~2", "1~3"])
def test_one_pass_gives_every_choice(tiny, batch, name):
    everything, alone = tiny(masks=False).eval(), tiny(masks=False, test_stages=name).eval()
    everything.roi_head.all_variants = True
    everything.roi_head.postprocess.score_threshold = 0.0
    alone.roi_head.postprocess.score_threshold = 0.0
    data = alone.data_preprocessor(batch(), False)
    with torch.no_grad():
        many = everything.predict(data["inputs"], data["data_samples"])[0]
        (one, _) = alone.predict(data["inputs"], data["data_samples"])
    torch.testing.assert_close(many.variants[name].boxes, one.detections.boxes)
    torch.testing.assert_close(many.variants[name].scores, one.detections.scores)
    assert not one.variants
    assert len(one.stages) == int(name[-1])  # no more stages are run than needed


def test_prediction_tells_where_each_detection_came_from(tiny, batch):
    detector = tiny().eval()
    detector.roi_head.postprocess.score_threshold = 0.0
    data = detector.data_preprocessor(batch(), False)
    with torch.no_grad():
        prediction = detector.predict(data["inputs"], data["data_samples"])[0]
    found, last = prediction.detections, prediction.stages[-1]
    assert len(found) > 0 and found.mask_probs.shape == (len(found), 8, 8)
    expected = box_ops.clip(last.output_boxes[found.roi_index], 64, 96)
    torch.testing.assert_close(found.boxes, expected)
    became = last.detection_index
    assert (became >= -1).all() and (became < len(found)).all()
    rows = (became >= 0).nonzero()[:, 0]
    assert torch.equal(found.roi_index[became[rows]], rows)


@pytest.mark.parametrize("ious", [(0.5,), (0.5, 0.6), (0.5, 0.6, 0.7)])
@pytest.mark.parametrize("strategy", ["b", "c", "d"])
def test_losses_of_every_shape(tiny, batch, ious, strategy):
    detector = tiny(stage_ious=ious, mask_strategy=strategy)
    data = detector.data_preprocessor(batch(), True)
    losses = detector(**data, mode="loss")
    count = len(ious)
    expected = {f"stage{k + 1}.loss_{x}" for k in range(count) for x in ("cls", "bbox")}
    trained = {"b": [1], "c": [count], "d": range(1, count + 1)}[strategy]
    expected |= {f"stage{k}.loss_mask" for k in trained} | {"rpn.loss_cls", "rpn.loss_bbox"}
    assert {name for name in losses if "loss" in name} == expected
    sum(v for k, v in losses.items() if "loss" in k).backward()
    assert all(p.grad is not None for p in detector.parameters() if p.requires_grad)


@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("ious", [(0.5,), (0.5, 0.6, 0.7)])
def test_class_specific_regression(tiny, batch, agnostic, ious):
    head = dict(type="cascadekit.BBoxHead", in_channels=8, fc_channels=16, class_agnostic=agnostic)
    detector = tiny(stage_ious=ious, bbox_head=head)
    data = detector.data_preprocessor(batch(), True)
    losses = detector(**data, mode="loss")
    assert all(torch.isfinite(v) for v in losses.values())
    with torch.no_grad():
        stages = detector.eval().run_stages(data["inputs"], data["data_samples"])[1]
    assert stages[-1].class_boxes.shape[1] == (1 if agnostic else 3)
    # The next stage's box is the regressor's of the likeliest class.
    if not agnostic:
        best = stages[0].logits[:, :-1].argmax(1)
        rows = torch.arange(len(best))
        assert torch.equal(stages[0].boxes, stages[0].class_boxes[rows, best])


@pytest.mark.parametrize("proposals", ["some", "none"])
def test_no_objects_and_no_proposals(tiny, batch, proposals):
    detector = tiny(mask_strategy="d")
    if proposals == "none":
        detector.rpn_head.min_size = 1e4
    data = detector.data_preprocessor(batch(first=()), True)
    losses = detector(**data, mode="loss")
    assert len([k for k in losses if "loss" in k]) == 2 + 3 * 3
    assert all(torch.isfinite(v) for v in losses.values())
    for stage in (1, 2, 3):
        assert losses[f"stage{stage}.loss_bbox"] == 0
        assert losses[f"stage{stage}.loss_mask"] == 0
    sum(v for k, v in losses.items() if "loss" in k).backward()
    assert all(p.grad is not None for p in detector.parameters() if p.requires_grad)


def test_no_proposals_at_test(tiny, batch):
    detector = tiny().eval()
    detector.rpn_head.min_size = 1e4
    data = detector.data_preprocessor(batch(), False)
    with torch.no_grad():
        predictions = detector.predict(data["inputs"], data["data_samples"])
    assert [len(p.detections) for p in predictions] == [0, 0]
    assert predictions[0].detections.mask_probs.shape[0] == 0


def gradients(detector, data):
    batch = detector.data_preprocessor(data, True)
    losses = detector.loss(batch["inputs"], batch["data_samples"], torch.Generator().manual_seed(0))
    sum(v for k, v in losses.items() if "loss" in k).backward()
    return {name: p.grad for name, p in detector.named_parameters()}


@pytest.mark.parametrize("strategy", ["c", "d"])
def test_both_scalings_reach_the_backbone_alike(tiny, batch, strategy):
    """Scaled losses times the heads' learning rates = unscaled losses with scaled gradients."""
    by_loss = gradients(tiny(mask_strategy=strategy), batch())
    by_gradient = gradients(tiny(mask_strategy=strategy, loss_scaling="gradient"), batch())
    for name, grad in by_loss.items():
        scaled = "bbox_head" in name or ("mask_head" in name and strategy == "d")
        factor = {"0": 1, "1": 2, "2": 4}[name.split(".")[2]] if scaled else 1
        torch.testing.assert_close(grad * factor, by_gradient[name], rtol=1e-4, atol=1e-7)


def test_regression_moves_no_earlier_box(tiny, batch):
    """Stage 2's loss has no gradient for stage 1's regressor."""
    detector = tiny(masks=False)
    data = detector.data_preprocessor(batch(), True)
    losses = detector(**data, mode="loss")
    (losses["stage2.loss_bbox"] + losses["stage2.loss_cls"]).backward()
    assert detector.roi_head.bbox_head[0].fc_reg.weight.grad is None
    assert detector.roi_head.bbox_head[1].fc_reg.weight.grad is not None


def test_loss_reports_iou_before_and_after(tiny, batch):
    detector = tiny(masks=False)
    _, targets, stages = run_training(detector, batch())
    losses = detector.roi_head.loss([], stages, targets)
    stage = stages[0]
    real = (stage.matches.labels < 3) & ~stage.proposals.from_gt
    assert real.any()
    assert losses["stage1.iou_before"] == stage.matches.ious[real].mean()
    after = box_ops.iou_aligned(stage.boxes[real], stage.matches.gt_boxes[real]).mean()
    assert losses["stage1.iou_after"] == after


@pytest.mark.parametrize("agnostic", [True, False])
def test_every_head_on_every_stage(tiny, batch, agnostic):
    """Analysis: the heads run on all rois, refine them, and the detector's answer stays."""
    head = dict(type="cascadekit.BBoxHead", in_channels=8, fc_channels=16, class_agnostic=agnostic)
    detector = tiny(bbox_head=head, masks=False).eval()
    data = detector.data_preprocessor(batch(), False)
    with torch.no_grad():
        pyramid, plain = detector.run_stages(data["inputs"], data["data_samples"])
        detector.roi_head.all_heads = True
        _, stages = detector.run_stages(data["inputs"], data["data_samples"])
        for stage, before in zip(stages, plain, strict=True):
            assert sorted(stage.logits_by_head) == sorted(stage.boxes_by_head) == [0, 1, 2]
            torch.testing.assert_close(stage.boxes, before.boxes)
            rois = stage.proposals
            pooled = detector.roi_head.box_pool(pyramid, rois.boxes, rois.image_index)
            logits, deltas = detector.roi_head.bbox_head[2](pooled)
            refined = detector.roi_head.bbox_coder[2].decode(rois.boxes, deltas)
            torch.testing.assert_close(stage.logits_by_head[2], logits)
            torch.testing.assert_close(stage.boxes_by_head[2], refined)


def test_stages_of_training_on_demand(tiny, batch):
    detector = tiny().eval()
    data = detector.data_preprocessor(batch(), True)
    with torch.no_grad():
        _, stages = detector.run_stages(data["inputs"], data["data_samples"], training=True)
    assert [stage.matches is not None for stage in stages] == [True] * 3
    assert len(stages[0].proposals) <= 2 * 32  # sampled
