"""torchvision's Faster and Mask R-CNN R50 FPN in our shipped configs: detections, masks, losses.

Full width, one of the two pictures padded. torchvision draws random numbers also where it keeps
everything, so that one seed does not give both the same sample: samples hold everything here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn, roi_heads
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import roi_align

from cascadekit.apis import load_config
from cascadekit.checkpoints import load_weights
from cascadekit.models import CascadeRCNN
from cascadekit.registry import MODELS
from cascadekit.structures.masks import InstanceMasks
from cascadekit.structures.samples import ImageInfo, Targets, image_infos, make_data_sample

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs" / "torchvision"
K = 80
# Height and width; the batch's size is a multiple of 64, as torchvision's coarsest map needs it.
SIZES = [(128, 192), (100, 150)]
PROPOSALS, DETECTIONS = 300, 30  # to save time
SAMPLED = 10**6
EVERYTHING = {"type": "cascadekit.RandomSampler", "num": SAMPLED, "pos_fraction": 0.5}


@dataclass(frozen=True)
class Peers:
    """torchvision's detector, ours with its weights, and what both are given."""

    name: str
    theirs: nn.Module
    ours: CascadeRCNN
    images: Tensor
    targets: list[Targets]

    @property
    def samples(self) -> list:
        """Our data samples."""
        infos = [ImageInfo(size, size) for size in SIZES]
        return [make_data_sample(i, t) for i, t in zip(infos, self.targets, strict=True)]

    def run(self) -> tuple[list[Tensor], list[dict[str, Tensor]], dict[str, Tensor]]:
        """Proposals of torchvision, detections in network pixels, and losses (in training)."""
        wanted = None
        if self.theirs.training:
            wanted = [{"boxes": t.boxes, "labels": t.labels + 1} for t in self.targets]
            for one, target in zip(wanted, self.targets, strict=True):
                one["masks"] = target.masks.to_bitmaps()
        maps = self.theirs.backbone(self.images)
        proposals, losses = self.theirs.rpn(ImageList(self.images, SIZES), maps, wanted)
        found, more = self.theirs.roi_heads(maps, proposals, SIZES, wanted)
        return proposals, found, {**losses, **more}


def their_detector(masks: bool) -> nn.Module:
    make = maskrcnn_resnet50_fpn if masks else fasterrcnn_resnet50_fpn
    return make(
        weights=None,
        weights_backbone=None,
        num_classes=K + 1,
        rpn_post_nms_top_n_train=PROPOSALS,
        rpn_post_nms_top_n_test=PROPOSALS,
        rpn_batch_size_per_image=SAMPLED,
        box_batch_size_per_image=SAMPLED,
        box_positive_fraction=0.5,
        box_detections_per_img=DETECTIONS,
    ).eval()


def our_detector(masks: bool) -> CascadeRCNN:
    options = {
        "model.rpn_head.train_proposals": (2000, PROPOSALS),
        "model.rpn_head.test_proposals": (1000, PROPOSALS),
        "model.roi_head.postprocess.max_detections": DETECTIONS,
        "model.rpn_head.sampler": EVERYTHING,
        "model.roi_head.sampler": EVERYTHING,
    }
    path = CONFIGS / f"{'maskrcnn' if masks else 'fasterrcnn'}_r50.py"
    return MODELS.build(load_config(path, options=options).model).eval()


def objects_near(proposals: list[Tensor], small) -> list[Targets]:
    """Objects near some proposals, with ellipses for masks."""
    targets = []
    for boxes in proposals:
        large = boxes[(boxes[:, 2:] - boxes[:, :2]).amin(1) > 24][:40:8]
        large = large + torch.rand(large.shape) - 0.5
        masks = small.ellipses(large, (128, 192))
        targets.append(
            Targets(
                large,
                torch.randint(0, K, (len(large),)),
                torch.zeros(0, 4),
                InstanceMasks.from_bitmaps(masks),
            )
        )
    return targets


@pytest.fixture(scope="module", params=["Faster R50", "Mask R50"])
def peers(request, calibrate, small):
    """Both detectors in turn."""
    masks = "Mask" in request.param
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs, ours = their_detector(masks), our_detector(masks)
        images = torch.zeros(2, 3, 128, 192)
        for image, (height, width) in zip(images, SIZES, strict=True):
            coarse = torch.rand(1, 3, 12, 16)
            picture = nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]
            image[:, :height, :width] = theirs.transform.normalize(picture)
        peers = Peers(request.param, theirs, ours, images, [])
        wanted = {theirs.rpn.head.cls_logits: (-5.0, 2.0), theirs.rpn.head.bbox_pred: (0.0, 0.3)}
        predictor = theirs.roi_heads.box_predictor
        wanted |= {predictor.cls_score: (0.0, 2.5), predictor.bbox_pred: (0.0, 0.7)}
        if masks:
            wanted[theirs.roi_heads.mask_predictor.mask_fcn_logits] = (0.0, 2.0)
        calibrate(theirs, peers.run, wanted)
        with torch.no_grad():
            peers.targets.extend(objects_near(peers.run()[0], small))
        report = load_weights(ours, theirs.state_dict(), strict=True)
        assert report.dialect == "torchvision"
    return peers


@torch.no_grad()
def test_detections(peers, compare):
    name, ours, samples = f"torchvision {peers.name}", peers.ours.eval(), peers.samples
    peers.theirs.eval()
    proposals, expected, _ = peers.run()
    pyramid = ours.extract(peers.images)
    for level, other in zip(pyramid, peers.theirs.backbone(peers.images).values(), strict=True):
        compare(f"{name}: pyramid", level, other)
    own = ours.rpn_head.propose(ours.rpn_head(pyramid), image_infos(samples))
    compare(f"{name}: proposals", own.boxes, torch.cat(proposals))
    for prediction, other in zip(ours.predict(peers.images, samples), expected, strict=True):
        found = prediction.detections
        assert len(found) == len(other["scores"]) > 10 and found.labels.unique().numel() > 5
        assert torch.equal(found.labels, other["labels"] - 1)
        compare(f"{name}: scores", found.scores, other["scores"])
        compare(f"{name}: boxes", found.boxes, other["boxes"])
        if "masks" in other:
            compare(f"{name}: masks", found.mask_probs, other["masks"][:, 0])


def our_mask_targets(masks: Tensor, boxes: Tensor, matched: Tensor, size: int) -> Tensor:
    """Targets as ours, by RoIAlign: moved by half a pixel, adaptive samples, cut at 0.5."""
    rois = torch.cat([matched[:, None].to(boxes), boxes], 1)
    read = roi_align(masks[:, None].to(rois), rois, (size, size), 1.0, aligned=True)
    return (read[:, 0] >= 0.5).float()


@torch.no_grad()
def test_losses(peers, compare, monkeypatch):
    name = f"torchvision {peers.name}"
    peers.theirs.train()
    for module in peers.theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    got = peers.ours.train().loss(peers.images, peers.samples)
    _, _, unchanged = peers.run()
    monkeypatch.setattr(roi_heads, "project_masks_on_boxes", our_mask_targets)
    _, _, expected = peers.run()
    names = {
        "rpn.loss_cls": "loss_objectness",
        "rpn.loss_bbox": "loss_rpn_box_reg",
        "stage1.loss_cls": "loss_classifier",
        "stage1.loss_bbox": "loss_box_reg",
        "stage1.loss_mask": "loss_mask",
    }
    assert {names[key] for key in got if "loss" in key} == expected.keys()
    for key, other in names.items():
        if other in expected:
            assert got[key] > 0
            compare(f"{name}: {other}", got[key], expected[other])
    if "loss_mask" in expected:
        # Its own targets are not cut and lie half a pixel aside; nothing of ours makes such ones.
        share = (unchanged["loss_mask"] / expected["loss_mask"]).item()
        assert 0.9 < share < 1.1 and abs(share - 1) > 1e-4
