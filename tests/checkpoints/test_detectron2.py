"""detectron2's names, made by its naming rules, and a network that computes from them."""

import pickle

import pytest
import torch
import torch.nn.functional as F

from cascadekit.checkpoints import load_backbone, load_weights, save_weights
from cascadekit.checkpoints.detectron2 import translate
from cascadekit.errors import InputError
from cascadekit.models.backbones import ResNet

BODY = "backbone.bottom_up."
LAYERS = {0: "shortcut", 1: "conv1", 2: "conv2", 3: "conv3"}
STATISTICS = ("running_mean", "running_var")


def norm_names(name: str, width: int, norm: str) -> dict[str, tuple]:
    parts = ("weight", "bias", *(STATISTICS if norm == "BN" else ()))
    return {f"{name}.norm.{part}": (width,) for part in parts}


def body_names(blocks, groups=1, base_width=64, norm="BN", prefix=BODY) -> dict[str, tuple]:
    names = {f"{prefix}stem.conv1.weight": (64, 3, 7, 7)}
    names |= norm_names(f"{prefix}stem.conv1", 64, norm)
    channels = 64
    for res, count in enumerate(blocks, start=2):
        inner, outer = groups * base_width * 2 ** (res - 2), 256 * 2 ** (res - 2)
        for block in range(count):
            shapes = {
                1: (inner, channels, 1, 1),
                2: (inner, inner // groups, 3, 3),
                3: (outer, inner, 1, 1),
            }
            if block == 0:
                shapes[0] = (outer, channels, 1, 1)
            for number, shape in shapes.items():
                name = f"{prefix}res{res}.{block}.{LAYERS[number]}"
                names |= {f"{name}.weight": shape, **norm_names(name, shape[0], norm)}
            channels = outer
    return names


def layer(name: str, *shape: int) -> dict[str, tuple]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def conv_norm(name: str, *shape: int, norm: str) -> dict[str, tuple]:
    if norm == "BN":
        return layer(name, *shape)
    return {f"{name}.weight": shape, **norm_names(name, shape[0], "GN")}


def detector_names(
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
    names = body_names(blocks, groups, base_width, norm)
    for level in range(2, 6):
        names |= conv_norm(
            f"backbone.fpn_lateral{level}", 256, 256 * 2 ** (level - 2), 1, 1, norm=norm
        )
        names |= conv_norm(f"backbone.fpn_output{level}", 256, 256, 3, 3, norm=norm)
    rpn = "proposal_generator.rpn_head."
    names |= layer(f"{rpn}conv", 256, 256, 3, 3)
    names |= layer(f"{rpn}objectness_logits", 3, 256, 1, 1)
    names |= layer(f"{rpn}anchor_deltas", 12, 256, 1, 1)
    for stage in ["."] if stages == 1 else [f".{k}." for k in range(stages)]:
        head, predictor = f"roi_heads.box_head{stage}", f"roi_heads.box_predictor{stage}"
        if norm == "GN":
            for number in range(1, 5):
                names |= conv_norm(f"{head}conv{number}", 256, 256, 3, 3, norm=norm)
        names |= layer(f"{head}fc1", fc_channels, 256 * 7 * 7)
        names |= {} if norm == "GN" else layer(f"{head}fc2", fc_channels, fc_channels)
        names |= layer(f"{predictor}cls_score", classes + 1, fc_channels)
        names |= layer(f"{predictor}bbox_pred", 4 * (1 if agnostic else classes), fc_channels)
    if masks:
        head = "roi_heads.mask_head."
        for number in range(1, 5):
            names |= conv_norm(f"{head}mask_fcn{number}", 256, 256, 3, 3, norm=norm)
        names |= layer(f"{head}deconv", 256, 256, 2, 2)
        names |= layer(f"{head}predictor", classes, 256, 1, 1)
    return names


# What files have beside weights: buffers of the first versions.
EXTRA = {
    "pixel_mean": (3, 1, 1),
    "pixel_std": (3, 1, 1),
    **{f"proposal_generator.anchor_generator.cell_anchors.{k}": (3, 4) for k in range(5)},
}
CASCADE = {"agnostic": True, "stages": 3}


@pytest.mark.parametrize(
    ("settings", "mapped"),
    [
        # The numbers are the lengths of the state dicts of detectron2's own models.
        ({}, 295),  # faster_rcnn_R_50_FPN
        ({"depth": 101}, 550),  # faster_rcnn_R_101_FPN
        ({"depth": 101, "groups": 32, "base_width": 8}, 550),  # faster_rcnn_X_101_32x8d_FPN
        ({"masks": 1}, 307),  # mask_rcnn_R_50_FPN
        ({"depth": 101, "groups": 32, "base_width": 8, "masks": 1}, 562),
        ({**CASCADE, "masks": 1}, 323),  # cascade_mask_rcnn_R_50_FPN
        ({**CASCADE}, 311),  # the same with MASK_ON False
        ({"norm": "GN", "masks": 1}, 223),  # mask_rcnn_R_50_FPN_3x_gn
        ({**CASCADE, "depth": 152, "groups": 32, "base_width": 8, "masks": 1}, 833),
    ],
)
def test_every_name_has_its_place(zoo, settings, mapped):
    state = zoo.on_meta(detector_names(**settings) | EXTRA)
    found = translate(state)
    zoo.accounted(found, state)
    assert not found.unknown and not found.made
    assert (len(found.sources), len(found.ignored)) == (mapped, len(EXTRA))
    assert zoo.shapes_of(found.weights) == zoo.shapes(**settings)


def test_deformable_convolutions():
    name = "backbone.bottom_up.res3.0.conv2_offset.weight"
    found = translate({name: torch.zeros(18, 128, 3, 3)})
    assert list(found.weights) == ["backbone.layer2.0.conv2.conv_offset.weight"]


def test_norms_of_early_files_have_no_statistics(zoo):
    """A scale and a shift beside a pyramid without norms: frozen, not group norms."""
    names = {k: v for k, v in detector_names().items() if not k.endswith(STATISTICS)}
    found = translate(zoo.on_meta(names))
    assert len(found.made) == 2 * (1 + 16 * 3 + 4)
    assert zoo.shapes_of(found.weights) == zoo.shapes()
    scale = "backbone.bottom_up.stem.conv1.norm.weight"
    made = translate({scale: torch.ones(2)}).weights
    # detectron2 fills in 0 and 1 for them
    assert made["backbone.bn1.running_mean"].tolist() == [0.0, 0.0]
    assert made["backbone.bn1.running_var"].tolist() == [1.0, 1.0]


def test_nothing_is_reordered():
    bias = torch.arange(4.0)
    weights = translate({"roi_heads.box_predictor.cls_score.bias": bias, "stem.conv1.weight": bias})
    assert weights.weights["roi_head.bbox_head.0.fc_cls.bias"] is bias  # background is last there


class Modules:
    """detectron2's network from its names."""

    def __init__(self, state):
        self.state = state

    def name(self, where) -> str:
        if where[0] == "stem":
            return f"{BODY}stem.conv1"
        if where[0] in ("lateral", "output"):
            return f"backbone.fpn_{where[0]}{where[1]}"
        return f"{BODY}res{where[0]}.{where[1]}.{LAYERS[where[2]]}"

    def conv(self, where, x, stride, padding, groups):
        name = where if isinstance(where, str) else self.name(where)
        weight, bias = self.state[f"{name}.weight"], self.state.get(f"{name}.bias")
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)

    def norm(self, where, x):
        name = f"{self.name(where)}.norm"
        scale, shift, mean, variance = (
            self.state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias", *STATISTICS)
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    def dense(self, name, x):
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])


@torch.no_grad()
def test_the_same_numbers(zoo, tmp_path):
    """A cascade with masks from a .pkl of the zoo's form, against the arrays themselves."""
    settings = {
        **CASCADE,
        "masks": 1,
        "fc_channels": 64,
        "depth": 50,
        "groups": 32,
        "base_width": 4,
    }
    state = zoo.random(detector_names(**settings))
    arrays = {name: value.numpy() for name, value in state.items()}
    content = {"model": arrays, "__author__": "Detectron2 Model Zoo"}
    (tmp_path / "model_final.pkl").write_bytes(pickle.dumps(content))
    ours = zoo.build(**settings)
    report = load_weights(ours, tmp_path / "model_final.pkl")
    assert report.dialect == "detectron2" and not report.missing

    net, images = Modules(state), torch.randn(2, 3, 64, 64)
    pyramid = zoo.pyramid(net.conv, net.norm, images, groups=32)
    for found, expected in zip(ours.extract(images), pyramid, strict=True):
        zoo.near(found, expected)
    rpn = "proposal_generator.rpn_head."
    for level in pyramid:
        hidden = net.conv(f"{rpn}conv", level, 1, 1, 1).relu()
        own = ours.rpn_head.rpn_conv(level).relu()
        zoo.near(ours.rpn_head.rpn_cls(own), net.conv(f"{rpn}objectness_logits", hidden, 1, 0, 1))
        zoo.near(ours.rpn_head.rpn_reg(own), net.conv(f"{rpn}anchor_deltas", hidden, 1, 0, 1))
    pooled = torch.randn(5, 256, 7, 7)
    for k in range(3):
        hidden = net.dense(f"roi_heads.box_head.{k}.fc1", pooled.flatten(1)).relu()
        hidden = net.dense(f"roi_heads.box_head.{k}.fc2", hidden).relu()
        logits, deltas = ours.roi_head.bbox_head[k](pooled)
        zoo.near(logits, net.dense(f"roi_heads.box_predictor.{k}.cls_score", hidden))
        zoo.near(deltas[:, 0], net.dense(f"roi_heads.box_predictor.{k}.bbox_pred", hidden))
    x = torch.randn(4, 256, 14, 14)
    head, expected = "roi_heads.mask_head.", x
    for number in range(1, 5):
        expected = net.conv(f"{head}mask_fcn{number}", expected, 1, 1, 1).relu()
    deconv = state[f"{head}deconv.weight"], state[f"{head}deconv.bias"]
    expected = F.conv_transpose2d(expected, *deconv, stride=2).relu()
    zoo.near(ours.roi_head.mask_head[0](x), net.conv(f"{head}predictor", expected, 1, 0, 1))


def test_files_of_detectron2s_own_training(zoo, tmp_path):
    """`model_final.pth`: tensors below "model", an optimizer beside them."""
    state = zoo.random(body_names((3,)))
    content = {"model": state, "optimizer": {"state": {}}, "iteration": 9}
    save_weights(content, tmp_path / "model_final.pth")
    backbone = ResNet(50, out_indices=(0,))
    report = load_backbone(backbone, tmp_path / "model_final.pth")
    assert len(report.loaded) == len(state) and report.dialect == "detectron2"
    assert torch.equal(
        backbone.layer1[2].conv3.weight, state["backbone.bottom_up.res2.2.conv3.weight"]
    )
    with pytest.raises(InputError, match=r"keys are missing \(layer2\.0\.conv1\.weight"):
        load_backbone(ResNet(50, out_indices=(1,)), tmp_path / "model_final.pth")


def test_imagenet_weights_for_a_backbone(zoo, tmp_path):
    """R-50.pkl from torchvision in detectron2's zoo: no prefix, counters, a classifier."""
    state = zoo.random(body_names((3, 4, 6, 3), prefix=""))
    more = {"stem.fc.weight": torch.zeros(2, 2), "stem.fc.bias": torch.zeros(2)}
    more["stem.conv1.norm.num_batches_tracked"] = torch.tensor(3)
    arrays = {name: value.numpy() for name, value in (state | more).items()}
    content = {"model": arrays, "__author__": "torchvision", "matching_heuristics": True}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(content, 4))
    with torch.device("meta"):
        backbone = ResNet(50)
    backbone = backbone.to_empty(device="cpu")
    report = load_backbone(backbone, tmp_path / "R-50.pkl")
    assert not report.unexpected
    assert not [key for key in report.missing if "num_batches_tracked" not in key]
    assert backbone.bn1.num_batches_tracked == 3
    key = "res4.5.conv3.norm.running_mean"
    assert torch.equal(backbone.layer3[5].bn3.running_mean, state[key])
    assert set(report.ignored.values()) == {"the classifier of ImageNet"}


def test_other_detectors_are_named(zoo):
    """RetinaNet's pyramid is ours, its heads are not."""
    names = {**detector_names(), **layer("head.cls_score", 9, 256, 3, 3)}
    assert set(translate(zoo.on_meta(names)).unknown) == {
        "head.cls_score.weight",
        "head.cls_score.bias",
    }
