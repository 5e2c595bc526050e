"""Whole detectors with recipe="detectron2" give the numbers that detectron2 gave.

detectron2 is not needed: record_detectron2.py wrote what it computed to fixtures/detectron2_*.npz.
Weights and pictures are made anew by the same rule (detectron2_rules.py), under detectron2's names,
and loaded as any of its checkpoints. Samples are so large that nothing is random.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cascadekit.apis import load_config
from cascadekit.checkpoints import load_weights, read_translation
from cascadekit.models import CascadeRCNN
from cascadekit.registry import MODELS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.masks import InstanceMasks, paste
from cascadekit.structures.samples import (
    ImageInfo,
    Proposals,
    StageOutput,
    Targets,
    image_infos,
    make_data_sample,
    to_targets,
)


def _load_rules() -> ModuleType:
    """The rules that the recording follows, from beside this file: tests are no package."""
    path = Path(__file__).with_name("detectron2_rules.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


rules = _load_rules()
SHIPPED = Path(__file__).parents[2] / "configs" / "detectron2"
# These two have everything between them; the others run with `make test-slow`.
QUICK = ("faster", "cascade_mask")
CASES = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in rules.CASES
]


@dataclass(frozen=True)
class Recorded:
    """One fixture: what detectron2 computed, and what it computed it from."""

    values: dict[str, Tensor]
    facts: dict[str, Any]

    def __getitem__(self, key: str) -> Tensor:
        return self.values[key]

    @classmethod
    def read(cls, name: str) -> Recorded:
        path = Path(__file__).parent / "fixtures" / f"detectron2_{name}.npz"
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "facts"}
            return cls(arrays, json.loads(str(file["facts"])))


@dataclass(frozen=True)
class Peer:
    """Our detector with detectron2's weights, and what detectron2 gave with them."""

    case: Any
    model: CascadeRCNN
    seen: Recorded

    def batch(self, training: bool) -> tuple[Tensor, list[Any]]:
        """The pictures as the detector takes them, and their data samples."""
        samples = []
        for number, (size, file) in enumerate(zip(rules.SIZES, rules.FILES, strict=True)):
            boxes = self.seen[f"objects{number}"] if training else torch.zeros(0, 4)
            bitmaps = rules.ellipses(boxes, size)
            masks = InstanceMasks.from_bitmaps(bitmaps) if self.case.masks else None
            targets = Targets(boxes, rules.labels_of(len(boxes)), torch.zeros(0, 4), masks)
            samples.append(make_data_sample(ImageInfo(size, file), targets))
        pictures = rules.pictures(self.seen.facts["seed"])
        data = self.model.data_preprocessor({"inputs": pictures, "data_samples": samples})
        return data["inputs"], data["data_samples"]


def our_config(case: Any, sizes: dict[str, Any], rpn: dict[str, Any]) -> dict[str, Any]:
    """Our shipped config for detectron2's weights, with narrower layers.

    `sizes` are the samplers'; `rpn` what the RPN has beside the config.
    """
    stem = "mask" if case.masks else "" if case.stages > 1 else "faster"
    name = "_".join(part for part in ("cascade" if case.stages > 1 else "", stem, "r50") if part)
    changes = {
        "num_classes": rules.K,
        "neck.out_channels": rules.CHANNELS,
        "rpn_head.in_channels": rules.CHANNELS,
        "rpn_head.feat_channels": rules.CHANNELS,
        "roi_head.bbox_head.in_channels": rules.CHANNELS,
        "roi_head.bbox_head.fc_channels": rules.FC,
    }
    if not (case.agnostic and case.stages > 1):  # a cascade's config leaves it to the default
        changes["roi_head.bbox_head.class_agnostic"] = case.agnostic
    if case.masks:
        channels = {"in_channels": rules.CHANNELS, "conv_channels": rules.MASK_CHANNELS}
        changes["roi_head.mask_head"] = {"type": "cascadekit.MaskHead", **channels}
    for key, value in sizes.items():
        changes |= {f"rpn_head.{key}": value, f"roi_head.{key}": value}
    changes |= {f"rpn_head.{key}": value for key, value in rpn.items()}
    options = {f"model.{key}": value for key, value in changes.items()}
    model: dict[str, Any] = load_config(SHIPPED / f"{name}.py", options=options).model
    return model


@pytest.fixture(scope="module", params=CASES)
def peer(request) -> Peer:
    """Each detector in turn, in evaluation mode; its weights are in memory only for its tests."""
    case, seen = rules.CASES[request.param], Recorded.read(request.param)
    everything = {"type": "cascadekit.RandomSampler", "num": rules.SAMPLED, "pos_fraction": 0.5}
    fewer = {
        "train_proposals": (rules.PER_LEVEL, rules.TRAIN_PROPOSALS),
        "test_proposals": (rules.PER_LEVEL, rules.TEST_PROPOSALS),
    }
    model = MODELS.build(our_config(case, {"sampler": everything}, fewer))
    facts = seen.facts
    theirs = rules.weights(facts["shapes"], facts["seed"], facts["last_layers"])
    report = load_weights(model, theirs, strict=True)
    assert len(report.loaded) == len(theirs) > 200
    return Peer(case, model.eval(), seen)


def compare_stages(compare, seen: Recorded, stages: list[StageOutput], mode: str) -> None:
    for stage in stages:
        key = f"{mode}.stage{stage.stage + 1}"
        assert torch.equal(stage.proposals.image_index, seen[f"{key}.image"])
        compare(f"detectron2, {mode}: rois", stage.proposals.boxes, seen[f"{key}.rois"])
        compare(f"detectron2, {mode}: logits", stage.logits, seen[f"{key}.logits"])
        compare(f"detectron2, {mode}: deltas", stage.deltas.flatten(1), seen[f"{key}.deltas"])
        compare(f"detectron2, {mode}: boxes", stage.class_boxes.flatten(1), seen[f"{key}.boxes"])


@torch.no_grad()
def test_from_pictures_to_detections(peer, compare):
    """Pyramid, RPN, every stage, detections and masks; two of the three pictures are padded."""
    model, seen = peer.model, peer.seen
    images, samples = peer.batch(training=False)
    assert images.shape == (3, 3, 128, 160)
    infos, pyramid = image_infos(samples), model.extract(images)
    for number, level in enumerate(pyramid, start=2):
        compare("detectron2: pyramid", rules.sample(level), seen[f"pyramid.p{number}"])
    output = model.rpn_head(pyramid)
    compare("detectron2: RPN logits", rules.sample(torch.cat(output.logits, 1)), seen["rpn.logits"])
    compare("detectron2: RPN deltas", rules.sample(torch.cat(output.deltas, 1)), seen["rpn.deltas"])
    found = model.rpn_head.propose(output, infos)
    assert torch.equal(found.image_index, seen["test.proposals.image"])
    compare("detectron2: proposals", found.boxes, seen["test.proposals.boxes"])
    expected = seen["test.proposals.logits"].sigmoid()
    compare("detectron2: objectness", found.scores, expected)
    stages = model.roi_head(pyramid, found, infos)
    assert len(stages) == peer.case.stages
    compare_stages(compare, seen, stages, "test")
    predictions = model.roi_head.predict(pyramid, stages, infos)
    for b, prediction in enumerate(predictions):
        detections, rows = prediction.detections, seen["detections.image"] == b
        assert len(detections) == rows.sum() > 5
        assert torch.equal(detections.labels, seen["detections.labels"][rows])
        compare("detectron2: scores", detections.scores, seen["detections.scores"][rows])
        compare("detectron2: boxes in the file", detections.boxes, seen["files.boxes"][rows])
    if peer.case.masks:
        masks = torch.cat([p.detections.mask_probs for p in predictions])
        compare("detectron2: masks", rules.sample(masks, 4000), seen["detections.masks"])
        assert_same_bitmaps(predictions, seen)


def assert_same_bitmaps(predictions, seen: Recorded) -> None:
    """Masks at the size of the file, but for pixels that rounding puts beyond 0.5."""
    for b, prediction in enumerate(predictions):
        found = prediction.detections[torch.arange(rules.PASTED)]
        bitmaps = paste(found.mask_probs, found.boxes, *rules.FILES[b]).to_bitmaps()
        expected = np.unpackbits(seen[f"files.masks{b}"].numpy(), count=bitmaps.numel())
        assert (bitmaps.flatten().numpy() != expected).mean() < 1e-4
        assert 5e-4 < expected.mean() < 0.9


def test_from_pictures_to_gradients(peer, compare):
    """Proposals, rois, matches and losses of training, then gradients; one picture is empty."""
    model, seen = peer.model, peer.seen
    images, samples = peer.batch(training=True)
    assert [len(t.boxes) > 2 for t in to_targets(samples)] == [True, True, False]
    passed: list[Any] = []  # what went into the roi head and what came out
    hook = model.roi_head.register_forward_hook(lambda _, given, made: passed.extend((given, made)))
    model.train()
    model.zero_grad()
    try:
        losses = model.loss(images, samples)
    finally:
        model.eval()
        hook.remove()
    (_, proposals, *_), stages = passed
    compare("detectron2, train: proposals", proposals.boxes, seen["train.proposals.boxes"])
    compare_stages(compare, seen, stages, "train")
    for stage in stages:
        key = f"train.stage{stage.stage + 1}"
        assert torch.equal(stage.matches.labels, seen[f"{key}.labels"])
        positive = stage.matches.labels < rules.K
        copies = stage.proposals.from_gt
        assert (positive & ~copies).sum() > 3 and (positive & copies).sum() > 3
        objects = stage.matches.gt_boxes[positive]
        compare("detectron2, train: objects", objects, seen[f"{key}.gt_boxes"][positive])
    compare_losses(compare, peer, losses)
    sum(value for name, value in losses.items() if "loss" in name).backward()
    compare_gradients(compare, peer)


def compare_losses(compare, peer: Peer, losses: dict[str, Tensor]) -> None:
    theirs = {"rpn.loss_cls": "loss_rpn_cls", "rpn.loss_bbox": "loss_rpn_loc"}
    for k in range(peer.case.stages):
        end = f"_stage{k}" if peer.case.stages > 1 else ""
        theirs[f"stage{k + 1}.loss_cls"] = f"loss_cls{end}"
        theirs[f"stage{k + 1}.loss_bbox"] = f"loss_box_reg{end}"
    if peer.case.masks:
        theirs["stage1.loss_mask"] = "loss_mask"
    assert set(theirs) == {name for name in losses if "loss" in name}
    assert len(theirs) == sum(key.startswith("loss.") for key in peer.seen.values)
    for ours, their in theirs.items():
        compare(f"detectron2: {ours}", losses[ours], peer.seen[f"loss.{their}"])


def compare_gradients(compare, peer: Peer) -> None:
    """The same layers are trained, and of those recorded the gradients are the same."""
    names = {name: torch.zeros(1) for name in peer.seen.facts["shapes"]}
    theirs = read_translation(names).sources  # our name -> detectron2's
    trained = []
    for ours, parameter in peer.model.named_parameters():
        if parameter.grad is None:
            continue
        trained.append(theirs[ours])
        recorded = peer.seen.values.get(f"gradient.{theirs[ours]}")
        if recorded is not None:
            compare("detectron2: gradients", rules.sample(parameter.grad, 20), recorded)
    assert sorted(trained) == sorted(peer.seen.facts["trained"])
    assert sum(key.startswith("gradient.") for key in peer.seen.values) > 20


@pytest.fixture
def thrower(peer) -> Iterator[Peer]:
    """The cascade with regressors that throw boxes about and out of the picture."""
    layers = [head.fc_reg for head in peer.model.roi_head.bbox_head]
    with torch.no_grad():
        for parameter in (p for layer in layers for p in layer.parameters()):
            parameter *= rules.EDGE_FACTOR
    yield peer
    with torch.no_grad():
        for parameter in (p for layer in layers for p in layer.parameters()):
            parameter /= rules.EDGE_FACTOR


@torch.no_grad()
@pytest.mark.parametrize("peer", ["cascade"], indirect=True)
def test_boxes_that_leave_the_picture(thrower, compare):
    """Between stages boxes are clipped; those that become empty are dropped in training only."""
    model, seen = thrower.model, thrower.seen
    images, samples = thrower.batch(training=True)
    infos, targets = image_infos(samples), to_targets(samples)
    boxes = rules.edge_proposals(seen.facts["seed"])
    given = Proposals.from_list(boxes, [torch.zeros(len(b)) for b in boxes])
    pyramid = model.extract(images)
    stages = model.roi_head(pyramid, given, infos)
    compare_stages(compare, seen, stages, "edge_test")
    empty = box_ops.is_degenerate(stages[2].proposals.boxes)
    assert empty.sum() > 3 and (stages[0].boxes != stages[0].class_boxes[:, 0]).sum() > 40
    compare_edge_detections(compare, seen, model.roi_head.predict(pyramid, stages, infos))
    stages = model.roi_head(pyramid, given, infos, targets)
    counts = [len(stage.proposals) for stage in stages]
    assert counts[0] > counts[1] > counts[2]
    compare_stages(compare, seen, stages, "edge_train")
    losses = model.roi_head.loss(pyramid, stages, targets)
    for stage in stages:
        k = stage.stage
        assert torch.equal(stage.matches.labels, seen[f"edge_train.stage{k + 1}.labels"])
        for ours, their in (("cls", "cls"), ("bbox", "box_reg")):
            expected = seen[f"edge_loss.loss_{their}_stage{k}"]
            compare("detectron2, edge_train: losses", losses[f"stage{k + 1}.loss_{ours}"], expected)


def compare_edge_detections(compare, seen: Recorded, predictions) -> None:
    """The same but for one rule: detectron2 drops empty boxes after the best 100, we before."""
    left_out = 0
    for b, prediction in enumerate(predictions):
        theirs = seen["edge_detections.image"] == b
        full = theirs & ~box_ops.is_degenerate(seen["edge_detections.boxes"])
        ours, count = prediction.detections, int(full.sum())
        assert count == len(ours) or theirs.sum() == 100 >= len(ours) > count
        left_out += int(theirs.sum()) - count
        ours = ours[torch.arange(count)]
        assert torch.equal(ours.labels, seen["edge_detections.labels"][full])
        compare("detectron2, edge_test: scores", ours.scores, seen["edge_detections.scores"][full])
    assert left_out > 0


def test_recipe_is_their_yaml():
    """Every number that cascade_mask_rcnn_R_50_FPN_1x.yaml sets, in parts built by the recipe."""
    yaml = Recorded.read("cascade_mask").facts["settings"]
    model = MODELS.build(our_config(rules.CASES["cascade_mask"], {}, {}))
    rpn, roi_head, backbone = model.rpn_head, model.roi_head, model.backbone
    pairs = {
        "PIXEL_MEAN": model.data_preprocessor.mean.flatten(),
        "PIXEL_STD": model.data_preprocessor.std.flatten(),
        "BACKBONE.FREEZE_AT": backbone.frozen_stages + 1,  # theirs counts the stem
        "RESNETS.STRIDE_IN_1X1": backbone.layer2[0].conv1.stride == (2, 2),
        "PROPOSAL_GENERATOR.MIN_SIZE": rpn.min_size,
        "RPN.BOUNDARY_THRESH": rpn.allowed_border,
        "RPN.IOU_THRESHOLDS": [rpn.assigner.neg_iou, rpn.assigner.pos_iou],
        "RPN.BATCH_SIZE_PER_IMAGE": rpn.sampler.num,
        "RPN.POSITIVE_FRACTION": rpn.sampler.pos_fraction,
        "RPN.BBOX_REG_WEIGHTS": [1 / std for std in rpn.coder.stds],
        "RPN.SMOOTH_L1_BETA": rpn.beta,
        "RPN.LOSS_WEIGHT": rpn.loss_weight,
        "RPN.BBOX_REG_LOSS_WEIGHT": 1.0,  # there is one weight for both losses
        "RPN.PRE_NMS_TOPK_TRAIN": rpn.train_proposals[0],
        "RPN.POST_NMS_TOPK_TRAIN": rpn.train_proposals[1],
        "RPN.PRE_NMS_TOPK_TEST": rpn.test_proposals[0],
        "RPN.POST_NMS_TOPK_TEST": rpn.test_proposals[1],
        "RPN.NMS_THRESH": rpn.nms_iou,
        "ROI_HEADS.IOU_THRESHOLDS": [roi_head.assigner[0].pos_iou],
        "ROI_HEADS.BATCH_SIZE_PER_IMAGE": roi_head.sampler[0].num,
        "ROI_HEADS.POSITIVE_FRACTION": roi_head.sampler[0].pos_fraction,
        "ROI_HEADS.SCORE_THRESH_TEST": roi_head.postprocess.score_threshold,
        "ROI_HEADS.NMS_THRESH_TEST": roi_head.postprocess.nms_iou,
        "ROI_HEADS.PROPOSAL_APPEND_GT": roi_head.flow.gt_stages == "first",
        "DETECTIONS_PER_IMAGE": roi_head.postprocess.max_detections,
        "ROI_BOX_HEAD.SMOOTH_L1_BETA": roi_head.beta,
        "ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT": 1.0,
        "ROI_BOX_HEAD.POOLER_RESOLUTION": roi_head.box_pool.output_size,
        "ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": roi_head.box_pool.sampling_ratio,
        "ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": roi_head.bbox_head[0].num_boxes == 1,
        "ROI_BOX_HEAD.BBOX_REG_WEIGHTS": [1 / std for std in roi_head.bbox_coder[0].stds],
        "ROI_BOX_CASCADE_HEAD.IOUS": [a.pos_iou for a in roi_head.assigner],
        "ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS": [
            [1 / std for std in coder.stds] for coder in roi_head.bbox_coder
        ],
        "ROI_MASK_HEAD.POOLER_RESOLUTION": roi_head.mask_pool.output_size,
        "ROI_MASK_HEAD.POOLER_SAMPLING_RATIO": roi_head.mask_pool.sampling_ratio,
        "ROI_MASK_HEAD.CLS_AGNOSTIC_MASK": roi_head.mask_head[0].conv_logits.out_channels == 1,
        "ANCHOR_GENERATOR.ASPECT_RATIOS": [rpn.anchors.ratios],
        "ANCHOR_GENERATOR.SIZES": [
            [scale * stride for scale in rpn.anchors.scales] for stride in rpn.anchors.strides
        ],
    }
    for key, ours in pairs.items():
        theirs = torch.tensor(yaml[key], dtype=torch.float64)
        ours = torch.as_tensor(ours, dtype=torch.float64)
        assert torch.allclose(ours, theirs, rtol=1e-6), f"{key}: {ours} and {theirs}"
    # What has no number: frozen norms, aligned RoIAlign, anchors from the picture's corner.
    words = {"RESNETS.NORM": "FrozenBN", "ANCHOR_GENERATOR.OFFSET": 0.0}
    words |= {f"ROI_{part}_HEAD.POOLER_TYPE": "ROIAlignV2" for part in ("BOX", "MASK")}
    assert {key: yaml[key] for key in words} == words
    assert not any(p.requires_grad for n, p in backbone.named_parameters() if "bn" in n)
    assert set(yaml) == {*pairs, *words}
    # One rule for all regressors; test_boxes_that_leave_the_picture sees that of the stages.
    assert {rpn.coder.clamp} == {coder.clamp for coder in roi_head.bbox_coder}


@pytest.mark.parametrize("name", ["faster", "mask", "cascade", "cascade_mask"])
def test_shipped_configs_have_their_numbers_of_proposals(name):
    """The comparisons above have fewer, to save time."""
    yaml, case = Recorded.read(name).facts["settings"], rules.CASES[name]
    rpn = MODELS.build(our_config(case, {}, {})).rpn_head
    for ours, mode in ((rpn.train_proposals, "TRAIN"), (rpn.test_proposals, "TEST")):
        assert ours == tuple(yaml[f"RPN.{when}_NMS_TOPK_{mode}"] for when in ("PRE", "POST"))
    assert yaml["RPN.POST_NMS_TOPK_TRAIN"] == (2000 if case.stages > 1 else 1000)
