"""The live torchvision detectors: every key mapped, the same numbers from the same weights."""

import re

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

from cascadekit.checkpoints import load_backbone, load_weights, read_translation, save_weights
from cascadekit.checkpoints.torchvision import rescaled_norms, translate
from cascadekit.errors import InputError
from cascadekit.models.backbones import VGG, AlexNet, ResNet

K = 3
MAKERS = {0: detection.fasterrcnn_resnet50_fpn, 1: detection.maskrcnn_resnet50_fpn}


def their_detector(masks: int, classes: int = K) -> nn.Module:
    return MAKERS[masks](weights=None, weights_backbone=None, num_classes=classes + 1).eval()


def as_before_0_13(state):
    """Names of the published files: torchvision renames them while it loads."""
    renamed = {}
    for name, value in state.items():
        if "num_batches_tracked" in name:
            continue
        name = re.sub(r"(inner_blocks|layer_blocks)\.(\d)\.0\.", r"\1.\2.", name)
        name = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        name = re.sub(
            r"mask_head\.(\d)\.0\.", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}.", name
        )
        renamed[name] = value
    return renamed


@pytest.mark.parametrize(
    # How many tensors they have: 53 norms of 5 and their convolutions, 16 + 6 + 8, 12 of masks.
    ("masks", "tensors"),
    [(0, 53 * 6 + 30), (1, 53 * 6 + 42)],
)
@pytest.mark.parametrize("old", [False, True])
def test_every_key_has_its_place(zoo, masks, tensors, old):
    with torch.device("meta"):
        state = their_detector(masks, classes=90).state_dict()
    assert len(state) == tensors
    state = as_before_0_13(state) if old else state
    found = translate(state)
    zoo.accounted(found, state)
    assert len(found.sources) == tensors - 53 * old
    assert not (found.unknown or found.ignored or found.made or found.notes)
    assert zoo.shapes_of(found.weights) == zoo.shapes(masks=masks, classes=90)


def randomise(model: nn.Module) -> None:
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            nn.init.uniform_(value, 0.5, 2.0)
        elif value.ndim == 1 and value.is_floating_point():
            value.normal_(std=0.1)
            if re.search(r"bn\d\.weight|downsample\.1\.weight", name):
                value += 0.7


@torch.no_grad()
def test_the_same_numbers(zoo, tmp_path):
    theirs = their_detector(masks=1)
    randomise(theirs)
    old = as_before_0_13(theirs.state_dict())
    theirs.load_state_dict(old)  # that these are the old names is torchvision's word
    ours = zoo.build(masks=1)
    for form in (theirs.state_dict(), old):
        report = load_weights(ours, save_weights(form, tmp_path / "theirs.pth"))
        assert report.dialect == "torchvision" and not report.unexpected

        images = torch.randn(2, 3, 64, 96)
        pyramid = list(theirs.backbone(images).values())
        for found, expected in zip(ours.extract(images), pyramid, strict=True):
            zoo.near(found, expected)
        logits, deltas = theirs.rpn.head(pyramid)
        for level, map_ in enumerate(pyramid):
            hidden = ours.rpn_head.rpn_conv(map_).relu()
            zoo.near(ours.rpn_head.rpn_cls(hidden), logits[level])
            zoo.near(ours.rpn_head.rpn_reg(hidden), deltas[level])
        pooled = torch.randn(5, 256, 7, 7)
        scores, boxes = theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(pooled))
        own_scores, own_boxes = ours.roi_head.bbox_head[0](pooled)
        zoo.near(own_scores[:, -1], scores[:, 0])  # background
        zoo.near(own_scores[:, :-1], scores[:, 1:])
        zoo.near(own_boxes.flatten(1), boxes[:, 4:])
        x = torch.randn(4, 256, 14, 14)
        masks = theirs.roi_heads.mask_predictor(theirs.roi_heads.mask_head(x))
        zoo.near(ours.roi_head.mask_head[0](x), masks[:, 1:])


@torch.no_grad()
def test_the_epsilon_of_the_published_files(zoo, tmp_path):
    """Their norms ran with an epsilon of 0; a channel of variance 1e-5 shows it."""
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=lambda n: FrozenBatchNorm2d(n, eps=0.0)
    )
    theirs = detection.MaskRCNN(backbone, num_classes=91).eval()
    randomise(theirs)
    state, images = theirs.state_dict(), torch.randn(1, 3, 64, 64)
    for name, value in state.items():
        if name.endswith("running_var"):  # small variances with small scales, as trained ones are
            value[:2] = torch.tensor([1e-5, 3e-6])
            state[name.replace("running_var", "weight")][:2] = 2e-3
    expected = list(theirs.backbone.body(images).values())[-1]
    ours = zoo.build(masks=1, classes=90)

    def difference(source) -> float:
        load_weights(ours, source)
        return ((ours.backbone(images)[-1] - expected).abs().max() / expected.abs().max()).item()

    assert difference(save_weights(state, tmp_path / "mine.pth")) > 1e-3
    published = save_weights(state, tmp_path / "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")
    assert difference(published) < 1e-4
    found = read_translation(published)
    assert found.notes == ("norms of epsilon 0 made equal to ours of 1e-05",)
    assert len(found.classes) == 90 and found.classes[0] == "person"
    told = read_translation(tmp_path / "mine.pth", norm_eps=0.0)  # trained further from them
    assert told.classes is None
    for name, value in told.weights.items():
        assert torch.equal(value, found.weights[name])


def test_scales_by_hand():
    weights = {
        "bn1.weight": torch.tensor([2.0, 2.0]),
        "bn1.running_var": torch.tensor([3e-5, 1.0]),  # (3 + 1) / 3, and 1 + 1e-5
        "bn1.running_mean": torch.zeros(2),
    }
    scaled = rescaled_norms(weights, 0.0)
    assert set(scaled) == {"bn1.weight"}
    assert scaled["bn1.weight"].tolist() == pytest.approx([2 * (4 / 3) ** 0.5, 2.00001], rel=1e-6)
    with pytest.raises(InputError, match="variance is 0"):
        rescaled_norms({**weights, "bn1.running_var": torch.zeros(2)}, 0.0)


@pytest.mark.parametrize(
    "make", [detection.fasterrcnn_resnet50_fpn_v2, detection.maskrcnn_resnet50_fpn_v2]
)
def test_later_versions_are_refused(make):
    with torch.device("meta"):
        state = make(weights=None, weights_backbone=None).state_dict()
    with pytest.raises(InputError, match="belongs to a _v2 detector"):
        translate(state)


def test_other_heads_are_named():
    with torch.device("meta"):
        model = detection.keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    unknown = set(translate(model.state_dict()).unknown)
    assert len(unknown) == 18 and all("keypoint" in name for name in unknown)


@pytest.mark.filterwarnings("ignore:.*is a no-op")  # copying to "meta"
@pytest.mark.parametrize(
    ("name", "build", "classifier"),
    [
        ("resnet50", lambda: ResNet(50), ("fc.",)),
        ("resnet101", lambda: ResNet(101), ("fc.",)),
        ("resnet152", lambda: ResNet(152), ("fc.",)),
        ("resnext50_32x4d", lambda: ResNet(50, groups=32, base_width=4), ("fc.",)),
        ("resnext101_32x8d", lambda: ResNet(101, groups=32, base_width=8), ("fc.",)),
        ("resnext101_64x4d", lambda: ResNet(101, groups=64, base_width=4), ("fc.",)),
        ("vgg16", lambda: VGG(16), ("classifier.",)),
        ("alexnet", AlexNet, ("classifier.",)),
    ],
)
def test_imagenet_weights(name, build, classifier):
    """All but the classifier has its place; `weights="torchvision://NAME"` has these names."""
    with torch.device("meta"):
        theirs = getattr(models, name)(weights=None).state_dict()
        backbone = build()
    report = load_backbone(backbone, theirs)
    assert (report.missing, report.mismatched, report.dialect) == ((), (), "cascadekit")
    assert report.unexpected and all(key.startswith(classifier) for key in report.unexpected)
    assert len(report.loaded) + len(report.unexpected) == len(theirs)


def test_a_backbone_out_of_a_detector(tmp_path):
    with torch.device("meta"):
        names = {k: v.shape for k, v in their_detector(0).state_dict().items()}
    state = {
        k: torch.randn(shape) if shape else torch.tensor(0)
        for k, shape in names.items()
        if ".layer" not in k or ".layer1." in k
    }
    backbone = ResNet(50, out_indices=(0,))
    report = load_backbone(backbone, save_weights(state, tmp_path / "d.pth"))
    assert (report.missing, report.unexpected, report.dialect) == ((), (), "torchvision")
    key = "layer1.2.bn3.running_mean"
    assert torch.equal(backbone.state_dict()[key], state[f"backbone.body.{key}"])
