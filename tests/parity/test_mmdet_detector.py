"""Whole detectors with mmdetection 3.3's weights and recipe: the same keys, the same numbers.

Small detectors, so that everything is compared: each stage's rois, logits and boxes, detections,
masks, all losses and all gradients. Samples are so large that nothing is random.
"""

from __future__ import annotations

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from cascadekit.models.roi_heads.mask_head import predict_masks
from cascadekit.structures.masks import paste
from cascadekit.structures.samples import Proposals, image_infos, to_targets

pytestmark = pytest.mark.mmdet


def their_proposals(theirs, maps, samples) -> list[InstanceData]:
    return theirs.rpn_head.predict(maps, samples, rescale=False)


def boxes_around_objects(small, samples) -> list[InstanceData]:
    """Boxes on and beside the objects, many of them good enough for every stage."""
    results = []
    for sample in samples:
        objects = sample.gt_instances.bboxes
        boxes = objects.repeat(30, 1) + torch.randn(30 * len(objects), 4) * 3
        boxes = torch.cat([boxes, small.inner_boxes(sample.img_shape, 40, 8, 30)])
        results.append(InstanceData(bboxes=boxes, scores=torch.rand(len(boxes))))
    return results


def as_proposals(results: list[InstanceData]) -> Proposals:
    return Proposals.from_list([r.bboxes for r in results], [r.scores for r in results])


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


def assert_same_detections(compare, name, found, expected):
    assert len(found) == len(expected) > 3
    assert torch.equal(found.labels, expected.labels)
    compare(f"{name}: scores", found.scores, expected.scores)
    compare(f"{name}: boxes", found.boxes, expected.bboxes)


def assert_same_masks(prediction, expected) -> None:
    """Bitmaps of the whole picture, but for pixels that rounding puts beyond 0.5."""
    found = prediction.detections
    bitmaps = paste(found.mask_probs, found.boxes, *prediction.info.size).to_bitmaps()
    assert (bitmaps.bool() != expected).float().mean() < 1e-5
    assert 0.002 < bitmaps.float().mean() < 0.9


@torch.no_grad()
def test_preprocessing(pair, compare):
    ours, _, data, batch = pair()
    own = ours.data_preprocessor(batch)
    assert own["inputs"].shape == (2, 3, 128, 160)
    compare("preprocessed pictures", own["inputs"], data["inputs"])


@torch.no_grad()
@pytest.mark.parametrize("sampling", [2, 0])
@pytest.mark.parametrize("agnostic", [True, False])
def test_every_stage_of_a_cascade(pair, compare, agnostic, sampling):
    ours, theirs, data, _ = pair(agnostic=agnostic, sampling=sampling)
    images, samples = data["inputs"], data["data_samples"]
    seen = record_stages(theirs)
    expected = theirs.predict(images, samples, rescale=False)
    their_maps = theirs.extract_feat(images)
    pyramid, stages = ours.run_stages(images, samples)
    for a, b in zip(pyramid, their_maps, strict=True):
        compare("detector: pyramid", a, b)
    for stage, other in zip(stages, seen, strict=True):
        number = stage.stage + 1
        compare(f"stage {number}: rois", stage.proposals.boxes, other["rois"][:, 1:])
        compare(f"stage {number}: logits", stage.logits, other["cls_score"])
        compare(f"stage {number}: deltas", stage.deltas.flatten(1), other["bbox_pred"])
    moved = (stages[2].boxes - stages[0].proposals.boxes).abs().max()
    assert moved > 3  # pixels: the regressors do something
    for prediction, sample in zip(ours.predict(images, samples), expected, strict=True):
        found = prediction.detections
        assert_same_detections(compare, "cascade detections", found, sample.pred_instances)


@torch.no_grad()
@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("agnostic", [True, False])
def test_masks(pair, compare, stages, agnostic):
    ours, theirs, data, _ = pair(stages=stages, masks=True, agnostic=agnostic)
    expected = theirs.predict(data["inputs"], data["data_samples"], rescale=False)
    predictions = ours.predict(data["inputs"], data["data_samples"])
    name = "Cascade Mask R-CNN detections" if stages > 1 else "Mask R-CNN detections"
    for prediction, sample in zip(predictions, expected, strict=True):
        other = sample.pred_instances
        assert_same_detections(compare, name, prediction.detections, other)
        assert_same_masks(prediction, other.masks)


@torch.no_grad()
@pytest.mark.parametrize("agnostic", [True, False])
def test_faster_rcnn(pair, compare, agnostic):
    ours, theirs, data, _ = pair(stages=1, agnostic=agnostic)
    expected = theirs.predict(data["inputs"], data["data_samples"], rescale=False)
    predictions = ours.predict(data["inputs"], data["data_samples"])
    for prediction, sample in zip(predictions, expected, strict=True):
        found, other = prediction.detections, sample.pred_instances
        assert_same_detections(compare, "Faster R-CNN detections", found, other)


@torch.no_grad()
@pytest.mark.parametrize("stages", [1, 3])
def test_masks_of_given_boxes(pair, small, mmdet, compare, stages):
    """Mask logits of each head, and the mean of the heads' probabilities."""
    from mmdet.models.test_time_augs import merge_aug_masks

    ours, theirs, data, _ = pair(stages=stages, masks=True)
    boxes = [result.bboxes for result in boxes_around_objects(small, data["data_samples"])]
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


def their_losses(losses: dict) -> dict[str, Tensor]:
    """Losses of mmdet by our names; lists over levels added up."""
    named = {}
    for name, value in losses.items():
        total = sum(value) if isinstance(value, (list, tuple)) else value.reshape(())
        if name.startswith("loss_rpn_"):
            named["rpn.loss_" + name.removeprefix("loss_rpn_")] = total
        elif "loss" in name:
            stage, part = name.split(".") if name[0] == "s" else ("s0", name)
            named[f"stage{int(stage[1:]) + 1}.{part}"] = total
    return named


@pytest.mark.parametrize(
    ("stages", "masks", "agnostic"),
    [
        (3, True, True),  # Cascade Mask R-CNN, all losses at once
        (3, False, False),
        (1, True, False),  # Mask R-CNN
        (1, False, True),
    ],
)
def test_losses_and_gradients_from_pictures(pair, small, compare, stages, masks, agnostic):
    """The public `loss`, and the gradient of every parameter."""
    ours, theirs, data, _ = pair(stages=stages, masks=masks, agnostic=agnostic)
    images, samples = data["inputs"], data["data_samples"]
    theirs.train()
    ours.train()
    expected = their_losses(theirs.loss(images, samples))
    losses = {name: value for name, value in ours.loss(images, samples).items() if "loss" in name}
    assert losses.keys() == expected.keys() and len(losses) == 2 + stages * (2 + masks)
    for name, value in losses.items():
        compare(f"detector: {name}", value, expected[name])
    sum(losses.values()).backward()
    sum(expected.values()).backward()
    their_gradients = {small.our_name(n): p.grad for n, p in theirs.named_parameters()}
    compared = 0
    for name, parameter in ours.named_parameters():
        if parameter.grad is not None:
            compare("gradients of all losses", parameter.grad, their_gradients[name])
            compared += 1
    assert compared > 60


@pytest.mark.parametrize("agnostic", [True, False])
def test_every_stage_trains_on_many_objects(pair, small, compare, agnostic):
    """From pictures a random network gives later stages few positives; these boxes give many."""
    ours, theirs, data, _ = pair(agnostic=agnostic, masks=True)
    images, samples = data["inputs"], data["data_samples"]
    given = boxes_around_objects(small, samples)
    proposals = as_proposals(given)  # before mmdet renames what is in `given`
    infos, targets = image_infos(samples), to_targets(samples)
    expected = their_losses(theirs.roi_head.loss(theirs.extract_feat(images), given, samples))
    pyramid = ours.extract(images)
    stages = ours.roi_head(pyramid, proposals, infos, targets)
    for stage in stages:
        assert 10 < stage.positive().sum() < len(stage.proposals) - 10
    losses = ours.roi_head.loss(pyramid, stages, targets)
    assert len(expected) == 9
    for name, value in expected.items():
        compare(f"many objects: {name}", losses[name], value)
