"""Whole detectors with mmdetection 3.3's weights: the same keys, the same numbers.

Two rules of inference differ on purpose, and the tests follow mmdet's with our parts:

- mmdet averages the LOGITS that each head gave on its own stage's rois, we (as the paper) the
  probabilities of all heads on the last stage's rois;
- mmdet clips the boxes between stages, we do not. Either the test clips, or the proposals lie so
  far inside that nothing is clipped; that is asserted.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from cascadekit.models import CascadeRCNN
from cascadekit.models.roi_heads.mask_head import predict_masks
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.masks import paste
from cascadekit.structures.samples import Proposals, image_infos, to_targets

pytestmark = pytest.mark.mmdet


def their_proposals(theirs, maps, samples) -> list[InstanceData]:
    return theirs.rpn_head.predict(maps, samples, rescale=False)


def as_proposals(results: list[InstanceData]) -> Proposals:
    return Proposals.from_list([r.bboxes for r in results], [r.scores for r in results])


def inner_proposals(small, samples, keep=(0, 1000)) -> list[InstanceData]:
    """Boxes so far inside that no stage reaches the border; those on objects with such sides."""
    results = []
    for sample in samples:
        objects = sample.gt_instances.bboxes
        boxes = objects.repeat(30, 1) + torch.randn(30 * len(objects), 4) * 3
        sides = boxes[:, 2:] - boxes[:, :2]
        boxes = boxes[(sides > keep[0]).all(1) & (sides <= keep[1]).all(1)]
        boxes = torch.cat([boxes, small.inner_boxes(sample.img_shape, 40, 8, 30)])
        results.append(InstanceData(bboxes=boxes, scores=torch.rand(len(boxes))))
    return results


def record_stages(theirs) -> list[dict]:
    """A list that mmdet's roi head will fill with the rois, logits and deltas of each stage."""
    seen: list[dict] = []
    original = theirs.roi_head._bbox_forward

    def forward(stage, x, rois, **options):
        result = original(stage, x, rois, **options)
        seen.append({"rois": rois, **result})
        return result

    theirs.roi_head._bbox_forward = forward
    return seen


def assert_nothing_clipped(sizes, boxes: Tensor, index: Tensor) -> None:
    for number, size in enumerate(sizes):
        own = boxes[index == number]
        assert torch.equal(own, box_ops.clip(own, *size)), "the test's premise: no clipping"


def follow_their_rule(ours: CascadeRCNN, pyramid, proposals: Proposals, infos):
    """Our parts in mmdet's order: clip between stages, average logits of own rois."""
    roi_head, recorded = ours.roi_head, []
    for k in range(roi_head.num_stages):
        index = proposals.image_index
        pooled = roi_head.box_pool(pyramid, proposals.boxes, index)
        logits, deltas = roi_head.bbox_head[k](pooled)
        decoded = roi_head.bbox_coder[k].decode(proposals.boxes, deltas)  # (R, G, 4)
        sizes = torch.tensor([info.size for info in infos])[index][:, None]  # (R, 1, 2)
        decoded = box_ops.clip(decoded, sizes[..., 0], sizes[..., 1])
        recorded.append((proposals.boxes, logits, decoded))
        rows = torch.arange(len(index))
        column = logits[:, :-1].argmax(1) if decoded.shape[1] > 1 else torch.zeros_like(index)
        proposals = replace(proposals, boxes=decoded[rows, column])
    scores = torch.stack([logits for _, logits, _ in recorded]).mean(0).softmax(1)
    return recorded, scores


def assert_same_detections(compare, name, found, expected):
    assert len(found) == len(expected) > 3
    assert torch.equal(found.labels, expected.labels)
    compare(f"{name}: scores", found.scores, expected.scores)
    compare(f"{name}: boxes", found.boxes, expected.bboxes)


@torch.no_grad()
def test_preprocessing(pair, compare):
    ours, _, data, batch = pair()
    own = ours.data_preprocessor(batch)
    assert own["inputs"].shape == (2, 3, 128, 160)
    compare("preprocessed pictures", own["inputs"], data["inputs"])


@torch.no_grad()
@pytest.mark.parametrize("sampling", [2, 0])
@pytest.mark.parametrize("agnostic", [True, False])
def test_cascade_from_pictures_to_detections(pair, compare, agnostic, sampling):
    """Everything on the same picture; between stages the test clips as mmdet does."""
    ours, theirs, data, _ = pair(agnostic=agnostic, sampling=sampling)
    images, samples = data["inputs"], data["data_samples"]
    seen = record_stages(theirs)
    their_maps = theirs.extract_feat(images)
    expected = theirs.roi_head.predict(
        their_maps, their_proposals(theirs, their_maps, samples), samples
    )
    pyramid = ours.extract(images)
    for a, b in zip(pyramid, their_maps, strict=True):
        compare("detector: pyramid", a, b)
    infos = image_infos(samples)
    proposals = ours.rpn_head.propose(ours.rpn_head(pyramid), infos)
    recorded, scores = follow_their_rule(ours, pyramid, proposals, infos)
    assert len(recorded) == len(seen) == 3
    for number, ((rois, logits, _), stage) in enumerate(zip(recorded, seen, strict=True), start=1):
        compare(f"stage {number}: rois", rois, stage["rois"][:, 1:])
        compare(f"stage {number}: logits", logits, stage["cls_score"])
    # The first stage's rois are the same under both rules: our own loop gives it as it stands.
    stages = ours.roi_head(pyramid, proposals)
    compare("stage 1 in our loop: logits", stages[0].logits, seen[0]["cls_score"])
    compare("stage 1 in our loop: deltas", stages[0].deltas.flatten(1), seen[0]["bbox_pred"])
    for number, info in enumerate(infos):
        rows = proposals.image_index == number
        found = ours.roi_head.postprocess(recorded[-1][2][rows], scores[rows], info)
        assert_same_detections(compare, "cascade detections", found, expected[number])


@torch.no_grad()
def test_cascade_loop_on_inner_boxes(pair, small, compare):
    """Our own loop as it stands: where nothing is clipped all three stages are mmdet's."""
    ours, theirs, data, _ = pair()
    images, samples = data["inputs"], data["data_samples"]
    given = inner_proposals(small, samples)
    seen = record_stages(theirs)
    theirs.roi_head.predict(theirs.extract_feat(images), given, samples)
    _, stages = ours.run_stages(images, samples, as_proposals(given))
    for number, (stage, other) in enumerate(zip(stages, seen, strict=True), start=1):
        assert_nothing_clipped(small.sizes, stage.boxes, stage.proposals.image_index)
        compare(f"our loop, stage {number}: rois", stage.proposals.boxes, other["rois"][:, 1:])
        compare(f"our loop, stage {number}: logits", stage.logits, other["cls_score"])
    moved = (stages[2].boxes - stages[0].proposals.boxes).abs().max()
    assert moved > 3  # pixels: the regressors do something


@torch.no_grad()
@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("masks", [False, True])
def test_one_stage_as_it_stands(pair, compare, agnostic, masks):
    """Faster and Mask R-CNN have no stages to disagree about: the public `predict`."""
    ours, theirs, data, _ = pair(stages=1, masks=masks, agnostic=agnostic)
    expected = theirs.predict(data["inputs"], data["data_samples"], rescale=False)
    predictions = ours.predict(data["inputs"], data["data_samples"])
    name = "Mask R-CNN detections" if masks else "Faster R-CNN detections"
    for prediction, sample in zip(predictions, expected, strict=True):
        found = prediction.detections
        assert_same_detections(compare, name, found, sample.pred_instances)
        if masks:
            bitmaps = paste(found.mask_probs, found.boxes, *prediction.info.size).to_bitmaps()
            wrong = bitmaps.bool() != sample.pred_instances.masks
            # Only pixels that rounding puts on the other side of 0.5.
            assert wrong.float().mean() < 1e-5
            assert 0.002 < bitmaps.float().mean() < 0.9


@torch.no_grad()
@pytest.mark.parametrize("stages", [1, 3])
def test_masks_of_given_boxes(pair, small, mmdet, compare, stages):
    """Mask logits of each head, and the mean of the heads' probabilities."""
    from mmdet.models.test_time_augs import merge_aug_masks

    ours, theirs, data, _ = pair(stages=stages, masks=True)
    boxes = [result.bboxes for result in inner_proposals(small, data["data_samples"])]
    index = torch.cat([torch.full((len(b),), i) for i, b in enumerate(boxes)])
    maps = theirs.extract_feat(data["inputs"])
    pooled = ours.roi_head.mask_pool(ours.extract(data["inputs"]), torch.cat(boxes), index)
    assert len(ours.roi_head.mask_head) == stages
    each = []
    for k, head in enumerate(ours.roi_head.mask_head):
        which = (k,) if stages > 1 else ()
        each.append(theirs.roi_head._mask_forward(*which, maps, mmdet.rois(boxes))["mask_preds"])
        compare("mask logits of given boxes", head(pooled), each[-1])
    labels = torch.arange(len(index)) % small.classes
    merged = merge_aug_masks([logits.sigmoid() for logits in each], {})
    own = predict_masks(ours.roi_head.mask_head, pooled, labels)
    compare("mask probabilities, mean of heads", own, merged[torch.arange(len(index)), labels])


@pytest.mark.parametrize("agnostic", [True, False])
def test_training_losses_and_gradients(pair, small, compare, agnostic):
    """All three stages' losses and all gradients, on boxes that are not clipped.

    With samples large enough for everything nothing is random. Mask targets are compared apart:
    the two read the bitmaps with other numbers of samples.
    """
    ours, theirs, data, _ = pair(agnostic=agnostic)
    images, samples = data["inputs"], data["data_samples"]
    given = inner_proposals(small, samples)
    proposals, targets = as_proposals(given), to_targets(samples)
    expected = theirs.roi_head.loss(theirs.extract_feat(images), given, samples)
    pyramid = ours.extract(images)
    stages = ours.roi_head(pyramid, proposals, targets)
    for stage in stages:
        assert_nothing_clipped(small.sizes, stage.boxes, stage.proposals.image_index)
        assert 10 < (stage.matches.labels < small.classes).sum() < len(stage.matches.labels) - 10
    losses = ours.roi_head.loss(pyramid, stages, targets)
    for k in range(3):
        for part in ("loss_cls", "loss_bbox"):
            compare(
                f"stage {k + 1} {part}", losses[f"stage{k + 1}.{part}"], expected[f"s{k}.{part}"]
            )
    sum(value for name, value in losses.items() if "loss" in name).backward()
    sum(value for name, value in expected.items() if "loss" in name).backward()
    their_gradients = {small.our_name(n): p.grad for n, p in theirs.named_parameters()}
    compared = 0
    for name, parameter in ours.named_parameters():
        if not name.startswith("rpn_head") and parameter.grad is not None:
            compare("gradients of the cascade's losses", parameter.grad, their_gradients[name])
            compared += 1
    assert compared > 60


def test_training_losses_from_pictures(pair, compare):
    """The public `loss`: RPN and first stage; later stages start from boxes mmdet clips."""
    ours, theirs, data, _ = pair()
    expected = theirs.loss(data["inputs"], data["data_samples"])
    ours.train()
    got = ours.loss(data["inputs"], data["data_samples"])
    compare("detector: RPN class loss", got["rpn.loss_cls"], sum(expected["loss_rpn_cls"]))
    compare("detector: RPN box loss", got["rpn.loss_bbox"], sum(expected["loss_rpn_bbox"]))
    compare("detector: stage 1 class loss", got["stage1.loss_cls"], expected["s0.loss_cls"])
    compare("detector: stage 1 box loss", got["stage1.loss_bbox"], expected["s0.loss_bbox"])


def test_mask_losses(pair, small, compare):
    """One mask head per stage, mmdet's only arrangement.

    mmdet reads a bitmap adaptively and we 2 x 2 times: the same for sides above 28 up to 56 pixels,
    which all positives of stage 1 have. Later some cells on the outline of other boxes differ.
    """
    ours, theirs, data, _ = pair(masks=True)
    images, samples = data["inputs"], data["data_samples"]
    given = inner_proposals(small, samples, keep=(28, 56))
    proposals, targets = as_proposals(given), to_targets(samples)
    expected = theirs.roi_head.loss(theirs.extract_feat(images), given, samples)
    pyramid = ours.extract(images)
    stages = ours.roi_head(pyramid, proposals, targets)
    losses = ours.roi_head.loss(pyramid, stages, targets)
    boxes = stages[0].proposals.boxes[stages[0].matches.labels < small.classes]
    sides = boxes[:, 2:] - boxes[:, :2]
    assert len(boxes) > 50 and (sides > 28).all() and (sides <= 56).all()
    compare("stage 1 loss_mask", losses["stage1.loss_mask"], expected["s0.loss_mask"][0])
    for k in (1, 2):
        wanted = expected[f"s{k}.loss_mask"].item()
        assert losses[f"stage{k + 1}.loss_mask"].item() == pytest.approx(wanted, rel=1e-3)
