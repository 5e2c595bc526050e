"""Fixtures that several tests share: a tiny detector and hand-made samples."""

from __future__ import annotations

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models are tiny: a thread more costs time

import pytest
import torch
from mmengine.logging import MMLogger
from torch import Tensor, nn

from cascadekit.registry import MODELS
from cascadekit.structures.masks import InstanceMasks
from cascadekit.structures.samples import ImageInfo, Targets, make_data_sample


@pytest.fixture(autouse=True)
def fresh_loggers():
    """Forget mmengine's loggers after a test: their streams are those that pytest took away."""
    yield
    MMLogger._instance_dict.clear()


@pytest.fixture
def usual_interruptions():
    """Python's own handler of Ctrl-C, which the test leaves behind: a background job has none."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@MODELS.register_module()
class TinyBackbone(nn.Module):
    """Four maps of 8 channels at strides 4, 8, 16, 32; a few thousand parameters."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 4, 4)
        self.layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(3))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = [self.stem(images).relu()]
        for layer in self.layers:
            maps.append(layer(maps[-1]).relu())
        return tuple(maps)


def tiny_config(stage_ious=(0.5, 0.6, 0.7), masks=True, **roi_head):
    """A model config small enough for a unit test."""
    head = dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(type="cascadekit.PyramidRoIAlign", output_size=3, strides=[4, 8, 16, 32]),
        bbox_head=dict(type="cascadekit.BBoxHead", in_channels=8, fc_channels=16),
        stage_ious=stage_ious,
        sampler=dict(type="cascadekit.RandomSampler", num=32, pos_fraction=0.25),
    )
    if masks:
        head["mask_pool"] = dict(
            type="cascadekit.PyramidRoIAlign", output_size=4, strides=[4, 8, 16, 32]
        )
        head["mask_head"] = dict(
            type="cascadekit.MaskHead", in_channels=8, conv_channels=8, num_convs=1
        )
    return dict(
        type="cascadekit.CascadeRCNN",
        num_classes=3,
        data_preprocessor=dict(
            type="cascadekit.DetectionPreprocessor",
            mean=[127.0] * 3,
            std=[64.0] * 3,
            pad_size_divisor=32,
        ),
        backbone=dict(type="cascadekit.TinyBackbone"),
        neck=dict(type="cascadekit.FPN", in_channels=[8] * 4, out_channels=8, num_outs=5),
        rpn_head=dict(
            type="cascadekit.RPNHead",
            in_channels=8,
            feat_channels=8,
            anchors=dict(type="cascadekit.AnchorGenerator", scales=[4]),
            sampler=dict(type="cascadekit.RandomSampler", num=32, pos_fraction=0.5),
            train_proposals=(500, 300),
            test_proposals=(50, 50),
        ),
        roi_head={**head, **roi_head},
    )


def make_targets(boxes, labels, size, ignored=(), masks=True) -> Targets:
    """Ground truth whose masks fill their boxes (whole pixels)."""
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    bitmaps = torch.zeros(len(boxes), *size)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes.long().tolist(), strict=True):
        bitmap[y1:y2, x1:x2] = 1
    return Targets(
        boxes,
        torch.tensor(labels, dtype=torch.long),
        torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4),
        InstanceMasks.from_bitmaps(bitmaps) if masks else None,
    )


@pytest.fixture
def tiny():
    """The function that makes a seeded tiny detector: `tiny(stage_ious=..., masks=...)`."""

    def build(seed=0, recipe="paper", **options):
        torch.manual_seed(seed)
        return MODELS.build({**tiny_config(**options), "recipe": recipe})

    return build


@pytest.fixture
def batch():
    """The function that makes a batch of two pictures: one with two objects, one with none."""

    def build(first=((8, 8, 56, 48), (40, 20, 88, 60)), second=(), masks=True, seed=0):
        generator = torch.Generator().manual_seed(seed)
        samples, images = [], []
        for number, boxes in enumerate((first, second)):
            size = (64, 96)
            labels = [i % 3 for i in range(len(boxes))]
            targets = make_targets(boxes, labels, size, masks=masks)
            info = ImageInfo(size, size, image_id=number, path=f"{number}.png")
            samples.append(make_data_sample(info, targets))
            image = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
            images.append(image)
        return {"inputs": images, "data_samples": samples}

    return build
