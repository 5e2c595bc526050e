"""Weights of mmdetection's own configs: every key has its place, and comes back as it was."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine import Config

from cascadekit.checkpoints import load_weights, read_translation, save_weights, to_mmdet
from cascadekit.registry import MODELS

pytestmark = pytest.mark.mmdet

X101 = {"depth": 101, "groups": 64, "base_width": 4}
GN_HEADS = {"num_convs": 4, "num_fcs": 1, "norm_groups": 32}
# mmdetection's config, tensors it has, and ours: backbone, stages, masks, class-agnostic, more.
CASES = [
    ("faster_rcnn/faster-rcnn_r50_fpn_1x_coco", 348, {}, 1, False, False),
    ("faster_rcnn/faster-rcnn_x101-64x4d_fpn_1x_coco", 654, X101, 1, False, False),
    ("mask_rcnn/mask-rcnn_r50_fpn_1x_coco", 360, {}, 1, True, False),
    ("mask_rcnn/mask-rcnn_x101-64x4d_fpn_1x_coco", 666, X101, 1, True, False),
    ("cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco", 364, {}, 3, False, True),
    ("cascade_rcnn/cascade-rcnn_x101-64x4d_fpn_1x_coco", 670, X101, 3, False, True),
    ("cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco", 400, {}, 3, True, True),
    (
        "cascade_rcnn/cascade-mask-rcnn_r50-caffe_fpn_1x_coco",
        400,
        {"style": "caffe"},
        3,
        True,
        True,
    ),
    ("cascade_rcnn/cascade-mask-rcnn_x101-64x4d_fpn_1x_coco", 706, X101, 3, True, True),
    (
        "dcn/cascade-mask-rcnn_r50-dconv-c3-c5_fpn_1x_coco",
        400 + 2 * 13,  # offsets of 4 + 6 + 3 blocks
        {"dcn": "v1"},
        3,
        True,
        True,
    ),
    ("gn/mask-rcnn_r50_fpn_gn-all_2x_coco", 223, {"norm": "GN"}, 1, True, False),
]


def our_model(backbone, stages, masks, agnostic, strategy="d"):
    """Ours of the same architecture, without memory."""
    group_norm = backbone.get("norm") == "GN"
    pool = {"type": "cascadekit.PyramidRoIAlign", "output_size": 7}
    head = {"type": "cascadekit.BBoxHead", "in_channels": 256, "class_agnostic": agnostic}
    roi_head = {
        "type": "cascadekit.CascadeRoIHead",
        "box_pool": pool,
        "bbox_head": {**head, **(GN_HEADS if group_norm else {})},
        "stage_ious": (0.5, 0.6, 0.7)[:stages],
    }
    if masks:
        mask_head = {"type": "cascadekit.MaskHead", "in_channels": 256}
        roi_head |= {
            "mask_pool": {**pool, "output_size": 14},
            "mask_head": {**mask_head, "norm_groups": 32 if group_norm else None},
            "mask_strategy": strategy,
        }
    config = {
        "type": "cascadekit.CascadeRCNN",
        "num_classes": 80,
        "backbone": {"type": "cascadekit.ResNet", "depth": 50, **backbone},
        "neck": {
            "type": "cascadekit.FPN",
            "in_channels": [256, 512, 1024, 2048],
            "norm": "GN" if group_norm else None,
        },
        "rpn_head": {"type": "cascadekit.RPNHead", "in_channels": 256},
        "roi_head": roi_head,
    }
    with torch.device("meta"):
        return MODELS.build(config)


def their_model(mmdet, name):
    """The detector of one of mmdetection's own configs, without memory."""
    folder = Path(find_spec("mmdet").origin).parent / ".mim" / "configs"
    config = Config.fromfile(folder / f"{name}.py").model
    config.pop("data_preprocessor")  # has no weights; mmengine would look for it in its own scope
    with torch.device("meta"):
        return mmdet.model(config)


def values(state):
    """Other numbers in every tensor of a state dict on "meta"."""
    return {
        name: torch.rand(tensor.shape) if tensor.ndim else torch.tensor(number)
        for number, (name, tensor) in enumerate(state.items())
    }


def assert_equal(state, other):
    assert set(state) == set(other)
    for name, value in state.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.filterwarnings("ignore:.*is a no-op")  # copying to "meta"
@pytest.mark.parametrize(("name", "tensors", *"bsma"), CASES, ids=[case[0] for case in CASES])
def test_there_and_back(mmdet, tmp_path, name, tensors, b, s, m, a):
    theirs, ours = their_model(mmdet, name), our_model(b, s, m, a)
    state = values(theirs.state_dict())
    assert len(state) == tensors
    meta = {"mmdet_version": "3.3.0", "dataset_meta": {"classes": ("x",) * 80}}
    found = read_translation(save_weights({"state_dict": state, "meta": meta}, tmp_path / "w.pth"))
    assert not (found.unknown or found.ignored or found.made)
    assert len(found.sources) == tensors and len(found.classes) == 80
    # every weight of ours, with its shape; `ours` takes them all
    own = ours.state_dict()
    assert {k: v.shape for k, v in found.weights.items()} == {k: v.shape for k, v in own.items()}
    report = load_weights(ours, found.weights)
    assert not (report.missing or report.unexpected or report.mismatched)
    back = to_mmdet(found.weights)
    assert not (back.unknown or back.made)
    assert_equal(back.weights, state)
    again = read_translation({"state_dict": back.weights})
    assert_equal(again.weights, found.weights)


@pytest.mark.parametrize("strategy", ["b", "c"])
def test_our_one_mask_head_fits_their_cascade(mmdet, strategy):
    """Strategies that mmdetection has not: the head is copied to its three stages."""
    ours = our_model({}, 3, True, True, strategy)
    found = to_mmdet(ours.state_dict())
    theirs = their_model(mmdet, "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco").state_dict()
    assert {k: v.shape for k, v in found.weights.items()} == {k: v.shape for k, v in theirs.items()}
    assert len(found.made) == 2 * 12


@torch.no_grad()
@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("stages", [1, 3])
def test_a_file_of_theirs_gives_the_detections_of_the_pair(pair, tmp_path, stages, masks):
    """The parity tests compare `ours` with theirs; through a file it is the same detector."""
    ours, theirs, data, _ = pair(stages=stages, masks=masks)
    expected = ours.predict(data["inputs"], data["data_samples"])
    path = save_weights({"state_dict": theirs.state_dict(), "meta": {}}, tmp_path / "w.pth")
    for parameter in ours.parameters():
        parameter.zero_()
    report = load_weights(ours, path)
    assert not (report.missing or report.unexpected)
    assert report.dialect == ("mmdetection" if stages == 1 else "cascadekit")
    found = ours.predict(data["inputs"], data["data_samples"])
    for one, other in zip(found, expected, strict=True):
        assert len(one.detections) > 3
        assert torch.equal(one.detections.boxes, other.detections.boxes)
        assert torch.equal(one.detections.scores, other.detections.scores)
    theirs.load_state_dict(to_mmdet(ours.state_dict()).weights, strict=True)
