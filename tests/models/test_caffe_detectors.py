"""The detectors of the released Caffe code: their size, and a step of training and inference."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from cascadekit.registry import MODELS

BLOCKS = Path(__file__).parents[2] / "configs" / "_base_" / "models"
NAMES = ("fpn_plus_r50", "faster_vgg16", "faster_alexnet")


def config_of(name, **roi_head):
    config = Config.fromfile(BLOCKS / f"{name}.py").model
    config.backbone.weights = None
    config.roi_head.update(roi_head)
    return config


@pytest.mark.parametrize(
    ("name", "stages", "published"),
    [
        ("fpn_plus_r50", 1, 165),
        ("fpn_plus_r50", 3, 272),
        ("faster_vgg16", 1, 278),
        ("faster_vgg16", 3, 704),
    ],
)
def test_size_is_that_of_the_papers_table_6(name, stages, published):
    """Its "M" is 2**20 bytes of float32 weights; Caffe's heads regress one more, unused box."""
    with torch.device("meta"):
        model = MODELS.build(config_of(name, stage_ious=stages))
    mebibytes = 4 * sum(p.numel() for p in model.parameters()) / 2**20
    assert mebibytes == pytest.approx(published, abs=0.8)


@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_and_a_prediction(name, stages, batch):
    torch.manual_seed(0)
    config = config_of(name, stage_ious=stages)
    config.roi_head.bbox_head.fc_channels = 16
    config.roi_head.postprocess.score_threshold = 0.0
    config.rpn_head.min_size = 5  # the pictures have 64 x 96 pixels
    if name == "faster_alexnet":  # whose smallest anchors are larger
        config.rpn_head.anchors.sides = [[32]]
    model = MODELS.build(config)
    data = model.data_preprocessor(batch(masks=False), True)
    losses = model.train().loss(data["inputs"], data["data_samples"])
    assert all(value.isfinite() for value in losses.values())
    assert losses["rpn.loss_cls"] > 0 and losses["rpn.loss_bbox"] > 0  # some anchor fits an object
    assert losses[f"stage{stages}.loss_cls"] > 0
    sum(value for key, value in losses.items() if "loss" in key).backward()
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
    assert [key for key, p in trained.items() if p.grad is None] == []
    with torch.no_grad():
        first, second = model.eval().predict(data["inputs"], data["data_samples"])
    assert len(first.stages) == stages
    assert len(first.detections) > 0 and len(second.detections) > 0
