"""mmdetection's Cascade Mask R-CNN with parts of ours in it: the numbers do not change.

docs/reuse.md has the same parts in examples that train; here they replace mmdetection's own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

pytestmark = pytest.mark.mmdet

RPN_SAMPLE = {"num": 64, "pos_fraction": 0.5}
SAMPLE = {"num": 128, "pos_fraction": 0.25}
SIZES = [(64, 80), (61, 66)]  # of the files, about half of the network's pictures


@pytest.fixture(autouse=True)
def in_their_scope(mmdet) -> Iterator[None]:
    """As in mmdetection's own training: bare names are mmdetection's."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture
def original(pair, small, mmdet):
    """A detector of mmdetection whose samples leave boxes out, its config, and a batch."""
    _, theirs, data, _ = pair(stages=3, masks=True)
    config = small.their_config(3, True, True, 2)
    config["data_preprocessor"] = {"type": "mmdet.DetDataPreprocessor"}
    train = config["train_cfg"]
    train["rpn"]["sampler"] = {"type": "RandomSampler", "add_gt_as_proposals": False, **RPN_SAMPLE}
    for stage in train["rcnn"]:
        stage["sampler"] = {"type": "RandomSampler", **SAMPLE}
    for sample, (height, width) in zip(data["data_samples"], SIZES, strict=True):
        scale = (sample.img_shape[1] / width, sample.img_shape[0] / height)
        sample.set_metainfo({"ori_shape": (height, width), "scale_factor": scale})
    detector = mmdet.model(copy.deepcopy(config)).eval()
    detector.load_state_dict(theirs.state_dict(), strict=True)
    return detector, config, data


def with_same_weights(mmdet, config: dict, detector: nn.Module) -> nn.Module:
    other = mmdet.model(copy.deepcopy(config)).eval()
    other.load_state_dict(detector.state_dict(), strict=True)
    return other


def losses_of(detector: nn.Module, data: dict) -> dict[str, Tensor]:
    """All losses under one seed, by mmdetection's names, those of several levels added up."""
    torch.manual_seed(5)
    named = {}
    for key, value in detector.train().loss(data["inputs"], data["data_samples"]).items():
        if "loss" in key:
            stage, _, part = key.partition(".")
            if stage.startswith("stage"):
                key = f"s{int(stage[5:]) - 1}.{part}"
            named[key] = sum(value) if isinstance(value, list) else value.sum()
    return named


def compare_training(compare, name: str, ours: nn.Module, theirs: nn.Module, data: dict) -> None:
    expected, losses = losses_of(theirs, data), losses_of(ours, data)
    assert losses.keys() == expected.keys() and len(losses) == 2 + 3 * 3
    for key, value in losses.items():
        compare(f"{name}: losses", value, expected[key])
    sum(expected.values()).backward()
    sum(losses.values()).backward()
    wanted = {key: parameter.grad for key, parameter in theirs.named_parameters()}
    for key, parameter in ours.named_parameters():
        compare(f"{name}: gradients", parameter.grad, wanted[key])


@torch.no_grad()
def compare_detections(compare, name: str, ours: nn.Module, theirs: nn.Module, data: dict) -> None:
    """In network pixels, and in pixels of the files."""
    for rescale in (False, True):
        found, expected = (
            detector.eval().predict(data["inputs"], copy.deepcopy(data["data_samples"]), rescale)
            for detector in (ours, theirs)
        )
        for sample, other in zip(found, expected, strict=True):
            sample, other = sample.pred_instances, other.pred_instances
            assert len(sample) == len(other) > 3
            assert torch.equal(sample.labels, other.labels)
            compare(f"{name}: scores", sample.scores, other.scores)
            compare(f"{name}: boxes", sample.bboxes, other.bboxes)
            assert sample.masks.shape == other.masks.shape and sample.masks.dtype == torch.bool
            assert (sample.masks != other.masks).float().mean() < 1e-5
            assert sample.masks.any()


def test_coders_and_samplers_in_their_heads(original, small, mmdet, compare):
    theirs, config, data = original
    coder = {"type": "cascadekit.MMDetCoder", "clamp": "both"}
    config["rpn_head"]["bbox_coder"] = {**coder, "stds": [1.0] * 4}
    for head, stds in zip(config["roi_head"]["bbox_head"], small.stds, strict=True):
        head["bbox_coder"] = {**coder, "stds": stds}
    sampler = {"type": "cascadekit.MMDetSampler"}
    train = config["train_cfg"]
    kit = {"type": "cascadekit.RandomSampler"}
    train["rpn"]["sampler"] = {
        **sampler,
        "add_gt_as_proposals": False,
        "sampler": {**kit, **RPN_SAMPLE},
    }
    for stage in train["rcnn"]:
        stage["sampler"] = {**sampler, "sampler": {**kit, **SAMPLE}}
    ours = with_same_weights(mmdet, config, theirs)
    assert type(ours.roi_head.bbox_sampler[2]).__module__.startswith("cascadekit.")
    assert type(ours.rpn_head.bbox_coder).__module__.startswith("cascadekit.")
    compare_training(compare, "our coder and sampler in mmdetection", ours, theirs, data)
    compare_detections(compare, "our coder and sampler in mmdetection", ours, theirs, data)


def test_roi_head_backbone_and_neck_in_their_detector(original, small, mmdet, compare):
    theirs, config, data = original
    own = small.our_config(3, True, True, 2)
    roi_head = {**own["roi_head"], "sampler": {"type": "cascadekit.RandomSampler", **SAMPLE}}
    config["roi_head"] = {
        "type": "cascadekit.MMDetRoIHead",
        "num_classes": small.classes,
        "roi_head": roi_head,
    }
    config["backbone"], config["neck"] = own["backbone"], own["neck"]
    ours = with_same_weights(mmdet, config, theirs)
    for part in (ours.backbone, ours.neck, ours.roi_head):
        assert type(part).__module__.startswith("cascadekit.")
    compare_training(compare, "our roi head in mmdetection", ours, theirs, data)
    compare_detections(compare, "our roi head in mmdetection", ours, theirs, data)


def test_it_can_be_copied_and_moved(original, small, mmdet):
    """As weight averaging and mixed precision do: the copy does not share anything."""
    _, config, data = original
    roi_head = {**small.our_config(3, True, True, 2)["roi_head"]}
    config["roi_head"] = {
        "type": "cascadekit.MMDetRoIHead",
        "num_classes": small.classes,
        "roi_head": roi_head,
    }
    detector = mmdet.model(config)
    twin = copy.deepcopy(detector)
    before = losses_of(twin, data)
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.zero_()
    after = losses_of(twin, data)
    assert all(torch.equal(before[key], after[key]) for key in before)
    names = [name for name, _ in twin.roi_head.named_parameters()]
    assert len(names) == len(set(names)) and not any(name.startswith("head") for name in names)
    assert all(p.dtype == torch.float64 for p in twin.double().parameters())
