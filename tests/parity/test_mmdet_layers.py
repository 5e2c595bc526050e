"""Layers with mmdetection 3.3's weights: backbones, pyramids, heads, pooling, masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cascadekit.models.backbones import ResNet
from cascadekit.models.necks import FPN
from cascadekit.models.roi_heads import BBoxHead, MaskHead, PyramidRoIAlign
from cascadekit.structures.masks import InstanceMasks, crop_and_resize, paste

pytestmark = pytest.mark.mmdet

SIZE = (128, 160)  # height, width of the picture
MAPS = [(32, 40), (16, 20), (8, 10), (4, 5)]


def random_boxes(count: int, smallest: float = 2.0) -> Tensor:
    """(count, 4) xyxy inside the picture, sides from `smallest` to 70 pixels."""
    limit = torch.tensor([SIZE[1], SIZE[0]])
    size = smallest + torch.rand(count, 2) * (70 - smallest)
    corner = torch.rand(count, 2) * (limit - size)
    return torch.cat([corner, corner + size], 1)


def load(ours, theirs):
    """Give our module mmdet's weights; every name must match."""
    ours.load_state_dict(theirs.state_dict(), strict=True)
    ours.eval()
    theirs.eval()  # of a ResNet this returns None
    return ours, theirs


@pytest.mark.parametrize(
    ("depth", "style", "norm"),
    [(18, "pytorch", "BN"), (50, "pytorch", "BN"), (50, "caffe", "BN"), (50, "pytorch", "GN")],
)
def test_resnet_and_pyramid(mmdet, compare, randomise, depth, style, norm):
    channels = [64, 128, 256, 512] if depth == 18 else [256, 512, 1024, 2048]
    norm_config = {"type": norm, **({"num_groups": 32} if norm == "GN" else {})}
    theirs = mmdet.model(
        {"type": "ResNet", "depth": depth, "style": style, "norm_cfg": norm_config}
    )
    neck_norm = norm_config if norm == "GN" else None
    neck = {"type": "FPN", "in_channels": channels, "out_channels": 32, "num_outs": 5}
    their_neck = mmdet.model({**neck, "norm_cfg": neck_norm})
    randomise(theirs)
    randomise(their_neck)
    ours, theirs = load(ResNet(depth, style=style, norm=norm), theirs)
    our_norm = "GN" if neck_norm else None
    our_neck, their_neck = load(FPN(channels, 32, 5, norm=our_norm), their_neck)
    images = torch.randn(2, 3, 68, 100)  # odd sizes from the second level on
    with torch.no_grad():
        our_maps, their_maps = ours(images), theirs(images)
        for a, b in zip(our_maps, their_maps, strict=True):
            compare(f"ResNet-{depth} {style} {norm}", a, b)
        for a, b in zip(our_neck(our_maps), their_neck(their_maps), strict=True):
            compare(f"FPN on ResNet-{depth} {style} {norm}", a, b)


def box_head_config(**options):
    return {
        "type": "Shared2FCBBoxHead",
        "in_channels": 16,
        "fc_out_channels": 32,
        "roi_feat_size": 7,
        "num_classes": 5,
        "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [0.1, 0.1, 0.2, 0.2]},
        "reg_class_agnostic": True,
        "loss_bbox": {"type": "SmoothL1Loss", "beta": 1.0, "loss_weight": 1.0},
        **options,
    }


@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("kind", ["2fc", "4conv1fc"])
def test_box_head(mmdet, compare, spread, randomise, kind, agnostic):
    options = {"reg_class_agnostic": agnostic}
    ours = {"in_channels": 16, "num_classes": 5, "fc_channels": 32, "class_agnostic": agnostic}
    if kind == "4conv1fc":
        norm = {"type": "GN", "num_groups": 4}
        options |= {"type": "Shared4Conv1FCBBoxHead", "conv_out_channels": 16, "norm_cfg": norm}
        ours |= {"num_convs": 4, "conv_channels": 16, "num_fcs": 1, "norm_groups": 4}
    theirs = mmdet.model(box_head_config(**options))
    randomise(theirs)
    pooled = torch.randn(50, 16, 7, 7)
    spread(lambda: theirs(pooled), {theirs.fc_cls: 2.0, theirs.fc_reg: 1.0})
    head, theirs = load(BBoxHead(**ours), theirs)
    with torch.no_grad():
        logits, deltas = head(pooled)
        their_logits, their_deltas = theirs(pooled)
    compare(f"box head {kind}: logits", logits, their_logits)
    compare(f"box head {kind}: deltas", deltas.flatten(1), their_deltas)


@pytest.mark.parametrize("agnostic", [True, False])
def test_mask_head(mmdet, compare, spread, agnostic):
    settings = {"num_convs": 2, "in_channels": 8, "num_classes": 5, "class_agnostic": agnostic}
    theirs = mmdet.model({"type": "FCNMaskHead", "conv_out_channels": 12, **settings})
    pooled = torch.randn(20, 8, 14, 14)
    spread(lambda: theirs(pooled), {theirs.conv_logits: 3.0})
    head, theirs = load(MaskHead(conv_channels=12, **settings), theirs)
    with torch.no_grad():
        compare("mask head: logits", head(pooled), theirs(pooled))


@pytest.mark.parametrize("sampling", [2, 0])
@pytest.mark.parametrize("size", [7, 14])
def test_roi_pooling_of_a_pyramid(mmdet, compare, sampling, size):
    theirs = mmdet.model(
        {
            "type": "SingleRoIExtractor",
            "roi_layer": {"type": "RoIAlign", "output_size": size, "sampling_ratio": sampling},
            "out_channels": 6,
            "featmap_strides": [4, 8, 16, 32],
        }
    )
    pyramid = [torch.randn(2, 6, *shape) for shape in MAPS]
    boxes = random_boxes(200) * (0.2 + 5 * torch.rand(200, 1))  # some leave the picture
    boxes[0] = torch.tensor([10.0, 10, 122, 122])  # exactly at a change of level
    index = torch.arange(200) % 2
    ours = PyramidRoIAlign(size, sampling_ratio=sampling)
    assert ours.levels(boxes).unique().tolist() == [0, 1, 2]
    expected = theirs(pyramid[:4], torch.cat([index[:, None], boxes], 1))
    compare(f"RoIAlign, {sampling or 'adaptive'} samples", ours(pyramid, boxes, index), expected)


def test_mask_targets(mmdet, small):
    objects = random_boxes(6, smallest=20)
    bitmaps = small.ellipses(objects, SIZE)
    index = torch.arange(60) % 6
    boxes = objects[index] + torch.randn(60, 4) * 3
    theirs = mmdet.masks.BitmapMasks(bitmaps.numpy(), *SIZE)
    expected = theirs.crop_and_resize(boxes, (28, 28), index).to_tensor(torch.float32, "cpu")
    ours = crop_and_resize(InstanceMasks.from_bitmaps(bitmaps), index, boxes, 28)
    # mmdet reads a cell once per started pixel and axis, we 2 x 2 times: twice for sides above 28
    # up to 56 pixels. In other boxes cells on the outline may fall to the other side of 0.5.
    sides = boxes[:, 2:] - boxes[:, :2]
    alike = ((sides > 28) & (sides <= 56)).all(1)
    assert 10 < alike.sum() < 50
    assert torch.equal(ours[alike], expected[alike])
    assert 0 < (ours != expected).float().mean() < 0.01
    assert 0.3 < expected.mean() < 0.9


def test_masks_in_the_picture(mmdet):
    from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask

    boxes = random_boxes(30, smallest=4) * 1.1 - 5
    boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([160.0, 128, 160, 128]))
    coarse = torch.rand(30, 1, 6, 6)
    probs = torch.nn.functional.interpolate(coarse, (28, 28), mode="bilinear")
    theirs, _ = _do_paste_mask(probs, boxes, *SIZE, skip_empty=False)
    ours = paste(probs[:, 0], boxes, *SIZE).to_bitmaps().bool()
    near = (theirs - 0.5).abs() < 1e-4  # rounding decides these
    assert torch.equal(ours & ~near, (theirs >= 0.5) & ~near)
    assert ours.any(2).any(1).all()
