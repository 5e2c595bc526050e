"""A Faster R-CNN with torchvision's weights and conventions gives torchvision's numbers.

Conventions that differ, and how the comparison deals with them:

- torchvision rounds its anchors to whole pixels. With the height / width ratios 1/4, 1 and 4 they
  are whole anyway; with others they differ by up to half a pixel (tested here).
- its RoIAlign is not moved by half a pixel: `ClassicPool` below.
- its class 0 is background, with a box of its own: columns of the last two layers are reordered.
- its anchors may leave the picture (`allowed_border=-1`), an object's best anchor is positive
  however small the IoU (`best_match_iou=0`), the smooth L1 of its heads turns at 1/9.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator as TheirAnchors
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from cascadekit import ops
from cascadekit.models.cascade_rcnn import CascadeRCNN
from cascadekit.models.proposals import AnchorGenerator
from cascadekit.models.roi_heads import PyramidRoIAlign
from cascadekit.registry import MODELS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Targets, image_infos, make_data_sample

K = 4
# Nothing is padded, and picture / map is exactly each stride, as torchvision computes it: with 160
# pixels in 3 columns it would place the coarsest anchors every 53 pixels instead of 64.
SIZE = (128, 192)
MAPS = [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
SIDES = (16, 32, 64, 128, 256)
STRIDES = (4, 8, 16, 32, 64)
SAMPLED = 10**6  # more than there are: nothing is random


def random_boxes(count: int, smallest: float = 2.0) -> Tensor:
    limit = torch.tensor([SIZE[1], SIZE[0]])
    size = smallest + torch.rand(count, 2) * (70 - smallest)
    corner = torch.rand(count, 2) * (limit - size)
    return torch.cat([corner, corner + size], 1)


def test_overlaps(compare):
    boxes, others = random_boxes(50), random_boxes(40)
    compare("torchvision: IoU", box_ops.iou(boxes, others), box_iou(boxes, others))
    own = box_ops.iou_aligned(boxes[:40], others)
    compare("torchvision: IoU of pairs", own, box_iou(boxes[:40], others).diagonal())


@pytest.mark.parametrize(
    ("ratios", "tolerance"),
    [((0.25, 1.0, 4.0), 0.0), ((0.5, 1.0, 2.0), 0.5)],  # whole pixels; rounded by torchvision
)
def test_anchors(compare, ratios, tolerance):
    theirs = TheirAnchors(tuple((side,) for side in SIDES), (ratios,) * 5)
    picture = ImageList(torch.zeros(1, 3, *SIZE), [SIZE])
    (expected,) = theirs(picture, [torch.zeros(1, 1, *shape) for shape in MAPS])
    ours = torch.cat(AnchorGenerator(STRIDES, [4], ratios).grid_anchors(MAPS))
    if tolerance:
        difference = (ours - expected).abs().max()
        assert 0.1 < difference <= tolerance
    else:
        compare("torchvision: anchors", ours, expected)


@MODELS.register_module()
class ClassicPool(PyramidRoIAlign):
    """RoIAlign as torchvision's detectors use it, without the half pixel."""

    def forward(self, pyramid, boxes, image_index):
        return ops.roi_align_levels(
            pyramid[:4],
            boxes,
            image_index,
            self.levels(boxes),
            self.strides,
            self.output_size,
            self.sampling_ratio,
            aligned=False,
        )


def their_detector() -> FasterRCNN:
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5
    )
    return FasterRCNN(
        backbone,
        num_classes=K + 1,
        min_size=SIZE[0],
        max_size=SIZE[1],
        rpn_anchor_generator=TheirAnchors(
            tuple((side,) for side in SIDES), ((0.25, 1.0, 4.0),) * 5
        ),
        rpn_pre_nms_top_n_train=300,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_train=200,
        rpn_post_nms_top_n_test=100,
        rpn_batch_size_per_image=SAMPLED,
        box_batch_size_per_image=SAMPLED,
        box_positive_fraction=0.5,
    )


def our_detector() -> CascadeRCNN:
    everything = {"type": "cascadekit.RandomSampler", "num": SAMPLED, "pos_fraction": 0.5}
    return MODELS.build(
        {
            "type": "cascadekit.CascadeRCNN",
            "num_classes": K,
            "backbone": {"type": "cascadekit.ResNet", "depth": 18},
            "neck": {"type": "cascadekit.FPN", "in_channels": [64, 128, 256, 512]},
            "rpn_head": {
                "type": "cascadekit.RPNHead",
                "in_channels": 256,
                "anchors": {
                    "type": "cascadekit.AnchorGenerator",
                    "scales": [4],
                    "ratios": [0.25, 1.0, 4.0],
                },
                "assigner": {
                    "type": "cascadekit.IoUAssigner",
                    "pos_iou": 0.7,
                    "neg_iou": 0.3,
                    "best_match_iou": 0.0,
                },
                "sampler": everything,
                "allowed_border": -1,
                "train_proposals": (300, 200),
                "test_proposals": (200, 100),
                "min_size": 1e-3,
            },
            "roi_head": {
                "type": "cascadekit.CascadeRoIHead",
                "box_pool": {
                    "type": "cascadekit.ClassicPool",
                    "output_size": 7,
                    "sampling_ratio": 2,
                },
                "bbox_head": {
                    "type": "cascadekit.BBoxHead",
                    "in_channels": 256,
                    "fc_channels": 1024,
                    "class_agnostic": False,
                },
                "stage_ious": (0.5,),
                "beta": 1 / 9,
                "sampler": everything,
            },
        }
    )


RENAMED = (
    ("backbone.body.", "backbone."),
    ("backbone.fpn.inner_blocks.{}.0.", "neck.lateral_convs.{}.conv."),
    ("backbone.fpn.layer_blocks.{}.0.", "neck.fpn_convs.{}.conv."),
    ("rpn.head.conv.0.0.", "rpn_head.rpn_conv."),
    ("rpn.head.cls_logits.", "rpn_head.rpn_cls."),
    ("rpn.head.bbox_pred.", "rpn_head.rpn_reg."),
    ("roi_heads.box_head.fc6.", "roi_head.bbox_head.0.shared_fcs.0."),
    ("roi_heads.box_head.fc7.", "roi_head.bbox_head.0.shared_fcs.1."),
    ("roi_heads.box_predictor.cls_score.", "roi_head.bbox_head.0.fc_cls."),
    ("roi_heads.box_predictor.bbox_pred.", "roi_head.bbox_head.0.fc_reg."),
)


def renamed(key: str) -> str:
    for theirs, ours in RENAMED:
        for level in range(4):
            if key.startswith(theirs.format(level)):
                return key.replace(theirs.format(level), ours.format(level))
    raise AssertionError(f"torchvision has a weight we know nothing of: {key}")


def reordered(key: str, value: Tensor) -> Tensor:
    """Background from first to last; its box is dropped."""
    if "cls_score" in key:
        return torch.cat([value[1:], value[:1]])
    return value[4:] if "box_predictor.bbox_pred" in key else value


@pytest.fixture
def pair(randomise, spread):
    """Our detector and torchvision's with the same weights, and pictures."""
    theirs = their_detector().eval()
    randomise(theirs)
    images = [
        nn.functional.interpolate(torch.rand(1, 3, 16, 24), SIZE, mode="bilinear")[0]
        for _ in range(2)
    ]
    head, predictor = theirs.rpn.head, theirs.roi_heads.box_predictor
    deviations = {head.cls_logits: 2.0, head.bbox_pred: 0.3}
    deviations |= {predictor.cls_score: 2.5, predictor.bbox_pred: 0.7}
    spread(lambda: theirs(images), deviations)
    ours = our_detector()
    state = theirs.state_dict()
    ours.load_state_dict({renamed(key): reordered(key, value) for key, value in state.items()})
    normalised = torch.stack([theirs.transform.normalize(image) for image in images])
    return ours.eval(), theirs, images, normalised


def samples_of(targets: list[Targets]):
    return [make_data_sample(ImageInfo(SIZE, SIZE), target) for target in targets]


@torch.no_grad()
def test_detections(pair, compare):
    ours, theirs, images, normalised = pair
    nothing = Targets(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0, 4))
    samples = samples_of([nothing] * 2)
    maps = theirs.backbone(normalised)
    pyramid = ours.extract(normalised)
    for a, b in zip(pyramid, maps.values(), strict=True):
        compare("torchvision: pyramid", a, b)
    expected, _ = theirs.rpn(ImageList(normalised, [SIZE] * 2), maps)
    proposals = ours.rpn_head.propose(ours.rpn_head(pyramid), image_infos(samples))
    compare("torchvision: proposals", proposals.boxes, torch.cat(expected))
    for prediction, other in zip(ours.predict(normalised, samples), theirs(images), strict=True):
        found = prediction.detections
        assert len(found) == len(other["scores"]) > 5
        assert torch.equal(found.labels, other["labels"] - 1)
        compare("torchvision: detection scores", found.scores, other["scores"])
        compare("torchvision: detection boxes", found.boxes, other["boxes"])


def test_training_losses(pair, compare):
    ours, theirs, images, normalised = pair
    targets = [
        Targets(random_boxes(count, 25), torch.arange(count) % K, torch.zeros(0, 4))
        for count in (4, 2)
    ]
    theirs.train()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    expected = theirs(images, [{"boxes": t.boxes, "labels": t.labels + 1} for t in targets])
    got = ours.train().loss(normalised, samples_of(targets))
    for name, other in (
        ("rpn.loss_cls", "loss_objectness"),
        ("rpn.loss_bbox", "loss_rpn_box_reg"),
        ("stage1.loss_cls", "loss_classifier"),
        ("stage1.loss_bbox", "loss_box_reg"),
    ):
        compare(f"torchvision: {other}", got[name], expected[other])
