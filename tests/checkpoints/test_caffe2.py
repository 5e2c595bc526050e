"""Detectron's blobs: names made by its naming rules, and a network that computes from the blobs."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cascadekit.checkpoints import load_backbone, load_weights, read_translation
from cascadekit.checkpoints.caffe2 import translate
from cascadekit.errors import InputError
from cascadekit.models.backbones import ResNet

BRANCHES = {0: "branch1", 1: "branch2a", 2: "branch2b", 3: "branch2c"}
MASK = {"BN": "_[mask]_fcn", "GN": "_mask_fcn"}
X101 = {"depth": 101, "groups": 32, "base_width": 8}


def norm_blobs(name: str, width: int, norm: str) -> dict[str, tuple]:
    suffix = norm.lower()
    return {f"{name}_{suffix}_s": (width,), f"{name}_{suffix}_b": (width,)}


def body_blobs(blocks, groups=1, base_width=64, norm="BN") -> dict[str, tuple]:
    """Stem and residual stages: convolutions without bias, each with a norm."""
    blobs = {"conv1_w": (64, 3, 7, 7)}
    blobs |= norm_blobs("res_conv1" if norm == "BN" else "conv1", 64, norm)
    channels = 64
    for res, count in enumerate(blocks, start=2):
        inner = groups * base_width * 2 ** (res - 2)
        outer = 256 * 2 ** (res - 2)
        for block in range(count):
            shapes = {
                1: (inner, channels, 1, 1),
                2: (inner, inner // groups, 3, 3),
                3: (outer, inner, 1, 1),
            }
            if block == 0:
                shapes[0] = (outer, channels, 1, 1)
            for branch, shape in shapes.items():
                name = f"res{res}_{block}_{BRANCHES[branch]}"
                blobs |= {f"{name}_w": shape, **norm_blobs(name, shape[0], norm)}
            channels = outer
    return blobs


def layer(name: str, *shape: int) -> dict[str, tuple]:
    return {f"{name}_w": shape, f"{name}_b": shape[:1]}


def conv_norm(name: str, *shape: int, norm: str) -> dict[str, tuple]:
    if norm == "BN":
        return layer(name, *shape)
    return {f"{name}_w": shape, **norm_blobs(name, shape[0], "GN")}


def pyramid_blobs(blocks, norm="BN") -> dict[str, tuple]:
    blobs = {}
    for res, count in enumerate(blocks, start=2):
        top = f"res{res}_{count - 1}_sum"
        lateral = f"fpn_inner_{top}" if res == 5 else f"fpn_inner_{top}_lateral"
        blobs |= conv_norm(lateral, 256, 256 * 2 ** (res - 2), 1, 1, norm=norm)
        blobs |= conv_norm(f"fpn_{top}", 256, 256, 3, 3, norm=norm)
    return {
        **blobs,
        **layer("conv_rpn_fpn2", 256, 256, 3, 3),
        **layer("rpn_cls_logits_fpn2", 3, 256, 1, 1),
        **layer("rpn_bbox_pred_fpn2", 12, 256, 1, 1),
    }


def detector_blobs(
    depth=50,
    groups=1,
    base_width=64,
    stages=1,
    masks=0,
    agnostic=False,
    norm="BN",
    classes=3,
    fc_channels=1024,
) -> dict[str, tuple]:
    blocks = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    blobs = body_blobs(blocks, groups, base_width, norm) | pyramid_blobs(blocks, norm)
    for stage in ["", "_2", "_3"][:stages]:
        if norm == "GN":
            for number in range(1, 5):
                blobs |= conv_norm(f"head_conv{number}{stage}", 256, 256, 3, 3, norm=norm)
        blobs |= layer(f"fc6{stage}", fc_channels, 256 * 7 * 7)
        blobs |= {} if norm == "GN" else layer(f"fc7{stage}", fc_channels, fc_channels)
        blobs |= layer(f"cls_score{stage}", classes + 1, fc_channels)
        blobs |= layer(f"bbox_pred{stage}", 8 if agnostic else 4 * (classes + 1), fc_channels)
    if masks:
        for number in range(1, 5):
            blobs |= conv_norm(f"{MASK[norm]}{number}", 256, 256, 3, 3, norm=norm)
        blobs |= layer("conv5_mask", 256, 256, 2, 2)
        blobs |= layer("mask_fcn_logits", classes + 1, 256, 1, 1)
    return blobs


@pytest.mark.parametrize(
    ("settings", "mapped"),
    [
        ({}, 189),  # Faster R-CNN R50: by hand 1+2 + 16*3*3 + 4*3 + 2*8 + 6 + 8
        ({"agnostic": True, "stages": 3}, 205),  # Cascade R-CNN: two stages of 8 more
        ({"masks": 1}, 201),  # four convolutions, deconvolution, logits: 12 more
        ({"agnostic": True, "stages": 3, "masks": 1}, 217),
        ({"depth": 101, "agnostic": True, "stages": 3, "masks": 1}, 370),  # 17 blocks of 9 more
        ({**X101, "agnostic": True, "stages": 3, "masks": 1}, 370),
        ({"depth": 101, "groups": 64, "base_width": 4, "agnostic": True, "stages": 3}, 358),
        ({"depth": 152, "groups": 32, "base_width": 8, "stages": 3, "masks": 1}, 523),
        ({"norm": "GN", "agnostic": True, "stages": 3}, 243),  # 207 and two stages of 18
        ({"norm": "GN", "masks": 1}, 223),  # Faster R-CNN with 8 + 10 more, and masks of 16
    ],
)
def test_every_blob_has_its_place(zoo, settings, mapped):
    blobs = detector_blobs(**settings)
    state = zoo.on_meta(blobs)
    # what a training leaves beside the weights, and the classifier of ImageNet
    extra = {f"{name}_momentum": shape for name, shape in blobs.items()}
    extra |= {"fc1000_w": (1000, 2048), "fc1000_b": (1000,), "conv1_b": (64,)}
    state |= zoo.on_meta(extra)
    found = translate(state)
    zoo.accounted(found, state)
    assert not found.unknown
    assert (len(found.sources), len(found.ignored)) == (mapped, mapped + 3)
    assert zoo.shapes_of(found.weights) == zoo.shapes(**settings)


def test_statistics_are_made_for_frozen_norms_only(zoo):
    found = translate(zoo.on_meta(detector_blobs()))
    norms = 1 + 16 * 3 + 4
    assert len(found.made) == 2 * norms
    assert not translate(zoo.on_meta(detector_blobs(norm="GN"))).made


def test_class_rows_by_hand():
    """K = 2, class-agnostic: rows are numbered, background is row 0."""
    state = {
        "conv1_w": torch.zeros(1),
        "cls_score_2_b": torch.tensor([0.0, 1.0, 2.0]),
        "bbox_pred_2_b": torch.tensor([-1.0, -2.0, -3.0, -4.0, 1.0, 2.0, 3.0, 4.0]),
        "mask_fcn_logits_b": torch.tensor([0.0, 1.0, 2.0]),
        "rpn_bbox_pred_fpn2_b": torch.arange(12.0),
        "fc6_2_w": torch.arange(8.0).view(1, 8),
    }
    weights = translate(state).weights
    assert weights["roi_head.bbox_head.1.fc_cls.bias"].tolist() == [1, 2, 0]
    assert weights["roi_head.bbox_head.1.fc_reg.bias"].tolist() == [1, 2, 3, 4]
    assert weights["roi_head.mask_head.0.conv_logits.bias"].tolist() == [1, 2]
    assert weights["rpn_head.rpn_reg.bias"].tolist() == list(range(12))
    # (channel, row, column) in both: nothing to reorder
    assert weights["roi_head.bbox_head.1.shared_fcs.0.weight"] is state["fc6_2_w"]


class Blobs:
    """Detectron's network from its blobs: AffineChannel is x * s + b."""

    def __init__(self, blobs):
        self.blobs = blobs

    def name(self, where) -> str:
        last = {2: 2, 3: 3, 4: 5, 5: 2}
        if where[0] == "stem":
            return "conv1"
        if where[0] == "output":
            return f"fpn_res{where[1]}_{last[where[1]]}_sum"
        if where[0] == "lateral":
            suffix = "" if where[1] == 5 else "_lateral"
            return f"fpn_inner_res{where[1]}_{last[where[1]]}_sum{suffix}"
        return f"res{where[0]}_{where[1]}_{BRANCHES[where[2]]}"

    def conv(self, where, x, stride, padding, groups):
        name = where if isinstance(where, str) else self.name(where)
        weight, bias = self.blobs[f"{name}_w"], self.blobs.get(f"{name}_b")
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)

    def norm(self, where, x):
        name = "res_conv1" if where[0] == "stem" else self.name(where)
        scale, shift = (self.blobs[f"{name}_bn_{p}"][:, None, None] for p in "sb")
        return x * scale + shift

    def dense(self, name, x):
        return F.linear(x, self.blobs[f"{name}_w"], self.blobs[f"{name}_b"])


@torch.no_grad()
def test_the_same_numbers(zoo, tmp_path):
    """A cascade with masks from a .pkl as Detectron writes it, against the blobs themselves."""
    settings = {"agnostic": True, "stages": 3, "masks": 1, "fc_channels": 64}
    blobs = zoo.random(detector_blobs(**settings))
    arrays = {name: value.numpy() for name, value in blobs.items()}
    arrays |= {"fc6_w_momentum": np.zeros(3, np.float32)}
    content = {"blobs": arrays, "cfg": "MODEL:\n  NUM_CLASSES: 4\n"}
    (tmp_path / "model_final.pkl").write_bytes(pickle.dumps(content, protocol=2))
    ours = zoo.build(style="caffe", **settings)
    report = load_weights(ours, tmp_path / "model_final.pkl")
    assert report.dialect == "Detectron (Caffe2)" and not report.missing
    assert dict(report.ignored) == {"fc6_w_momentum": "momentum of the optimizer"}

    net, images = Blobs(blobs), torch.randn(2, 3, 64, 64)
    pyramid = zoo.pyramid(net.conv, net.norm, images, stride_1x1=True)
    for found, expected in zip(ours.extract(images), pyramid, strict=True):
        zoo.near(found, expected)
    for level in pyramid:
        hidden = net.conv("conv_rpn_fpn2", level, 1, 1, 1).relu()
        own = ours.rpn_head.rpn_conv(level).relu()
        for layer_, name in (
            (ours.rpn_head.rpn_cls, "cls_logits"),
            (ours.rpn_head.rpn_reg, "bbox_pred"),
        ):
            zoo.near(layer_(own), net.conv(f"rpn_{name}_fpn2", hidden, 1, 0, 1))
    pooled = torch.randn(5, 256, 7, 7)
    for k, stage in enumerate(("", "_2", "_3")):
        hidden = net.dense(f"fc6{stage}", pooled.flatten(1)).relu()
        hidden = net.dense(f"fc7{stage}", hidden).relu()
        logits, deltas = ours.roi_head.bbox_head[k](pooled)
        scores = net.dense(f"cls_score{stage}", hidden)
        zoo.near(logits[:, -1], scores[:, 0])  # background
        zoo.near(logits[:, :-1], scores[:, 1:])
        zoo.near(deltas[:, 0], net.dense(f"bbox_pred{stage}", hidden)[:, 4:])
    x = torch.randn(4, 256, 14, 14)
    expected = x
    for number in range(1, 5):
        expected = net.conv(f"_[mask]_fcn{number}", expected, 1, 1, 1).relu()
    expected = F.conv_transpose2d(expected, blobs["conv5_mask_w"], blobs["conv5_mask_b"], 2).relu()
    zoo.near(ours.roi_head.mask_head[0](x), net.conv("mask_fcn_logits", expected, 1, 0, 1)[:, 1:])


@torch.no_grad()
@pytest.mark.parametrize("statistics", [False, True])
def test_imagenet_weights_for_a_backbone(zoo, tmp_path, statistics):
    """MSRA's R-50.pkl has no `blobs`; some files of that kind have the norms' statistics."""
    shapes = body_blobs((3, 4, 6, 3))
    if statistics:
        norms = [name.removesuffix("_s") for name in shapes if name.endswith("_bn_s")]
        shapes |= {f"{n}_{p}": shapes[f"{n}_s"] for n in norms for p in ("rm", "riv")}
    blobs = zoo.random(shapes)
    for name in blobs:
        if name.endswith("_riv"):
            blobs[name] = blobs[name].abs() + 0.5
    more = {"fc1000_w": torch.zeros(2, 2), "fc1000_b": torch.zeros(2), "conv1_b": torch.zeros(64)}
    arrays = {name: value.numpy() for name, value in (blobs | more).items()}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(arrays, protocol=2))
    with torch.device("meta"):
        backbone = ResNet(50, style="caffe")
    backbone = backbone.to_empty(device="cpu").eval()
    report = load_backbone(backbone, tmp_path / "R-50.pkl")
    assert (report.missing, report.unexpected) == ((), ())
    assert len(report.ignored) == 3
    mean = backbone.layer1[0].downsample[1].running_mean
    if statistics:
        assert torch.equal(mean, blobs["res2_0_branch1_bn_rm"])
        assert torch.equal(backbone.bn1.running_var, blobs["res_conv1_bn_riv"])
        return
    assert mean.tolist() == [0.0] * 256
    net, images = Blobs(blobs), torch.randn(1, 3, 32, 32)
    stem = net.norm(("stem",), net.conv(("stem",), images, 2, 3, 1))
    # scale and shift exactly: variance and epsilon add up to 1
    torch.testing.assert_close(backbone.bn1(backbone.conv1(images)), stem, rtol=1e-6, atol=1e-6)


def test_unknown_blobs_are_named(zoo):
    state = zoo.on_meta({**detector_blobs(), **layer("kps_score_lowres", 17, 512, 4, 4)})
    found = read_translation(state)
    assert set(found.unknown) == {"kps_score_lowres_w", "kps_score_lowres_b"}
    with pytest.raises(InputError, match=r"2 are unexpected \(kps_score_lowres_w"):
        with torch.device("meta"):
            model = zoo.build()
        load_weights(model, state)


def test_two_masks_heads_of_different_spelling():
    """Detectron writes `_[mask]_fcn1` and, with group norm, `_mask_fcn1`; both is a mistake."""
    state = {
        "conv1_w": torch.zeros(1),
        "_[mask]_fcn1_w": torch.zeros(1),
        "_mask_fcn1_w": torch.zeros(1),
    }
    with pytest.raises(InputError, match=r"would both become 'roi_head\.mask_head\.0\.convs\.0"):
        translate(state)
