"""Numbers of schedules and data sets, beside those of the released codes."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch import nn

from cascadekit.configuration import read_config
from cascadekit.engine import HeadLearningRate
from cascadekit.registry import SCOPE
from cascadekit.structures.samples import image_infos

BASE = Path(__file__).parents[1] / "configs" / "_base_"


def block(path):
    return read_config(BASE / f"{path}.py")[0]


# From the solvers of zhaoweicai/cascade-rcnn (GPUs x pictures of its README) and the yaml files of
# Detectron: rate, decay, steps, iterations, pictures, iterations of warm-up.
SOLVERS = {
    "caffe_fpn": (0.005, 1e-4, [160_000, 240_000], 280_000, 8 * 1, 0),
    "caffe_fpn_ablation": (0.005, 1e-4, [120_000], 180_000, 8 * 1, 0),
    "caffe_rfcn": (0.003, 1e-4, [160_000, 240_000], 280_000, 4 * 1, 0),
    "caffe_vgg": (0.003, 5e-4, [60_000, 90_000], 100_000, 2 * 4, 0),
    "caffe_voc": (0.001, 5e-4, [30_000], 45_000, 2 * 4, 0),
    "caffe_voc_rfcn": (0.002, 1e-4, [60_000], 90_000, 2 * 2, 0),
    "1x": (0.02, 1e-4, [60_000, 80_000], 90_000, 8 * 2, 500),
    "detectron_x152": (0.01, 1e-4, [200_000, 240_000], 260_000, 8 * 1, 500),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_schedule(name):
    rate, decay, steps, iterations, pictures, warm_up = SOLVERS[name]
    config = block(f"schedules/{name}")
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.weight_decay, optimizer.momentum) == (rate, decay, 0.9)
    *warm, step = config.param_scheduler
    assert (step.type, step.milestones, step.gamma) == ("MultiStepLR", steps, 0.1)
    assert [w.end for w in warm] == [warm_up] * bool(warm_up)
    assert config.train_cfg.max_iters == iterations
    assert config.auto_scale_lr.base_batch_size == pictures
    assert iterations % config.train_cfg.val_interval == 0  # the last weights are scored


@pytest.mark.parametrize("name", SOLVERS)
def test_multipliers(tiny, name):
    """(rate of weights, rate of biases, decay step of weights, of biases) of each head."""
    config = block(f"schedules/{name}")
    wrapper = config.optim_wrapper.to_dict()
    rules = wrapper.pop("paramwise_cfg")
    assert wrapper.pop("constructor") == "cascadekit.HeadLearningRate"
    model = tiny()
    model.neck.norm = nn.GroupNorm(2, 8)
    built = HeadLearningRate(wrapper, rules)(model)
    base, decay = wrapper["optimizer"]["lr"], wrapper["optimizer"]["weight_decay"]
    groups = {id(p): g for g in built.optimizer.param_groups for p in g["params"]}

    def of(parameter):
        group = groups[id(parameter)]
        return group["lr"] / base, group["lr"] * group["weight_decay"] / base / decay

    caffe = name.startswith("caffe")
    for head, factor in zip(model.roi_head.bbox_head, (1, 2, 4), strict=True):
        assert of(head.fc_cls.weight) == pytest.approx((factor, factor if caffe else 1))
        assert of(head.fc_cls.bias) == pytest.approx((2 * factor, 2 * factor if caffe else 0))
    assert of(model.rpn_head.rpn_conv.bias) == pytest.approx((2, 2 if caffe else 0))
    assert of(model.neck.norm.bias) == pytest.approx((1, 1 if caffe else 0))
    assert of(model.backbone.stem.weight) == pytest.approx((1, 1))


def pipeline(config, split):
    """The steps of a loader's pipeline and what they make of a grey picture of 427 x 640."""
    steps = config[f"{split}_dataloader"].dataset.pipeline
    with DefaultScope.overwrite_default_scope(SCOPE):
        built = Compose([s for s in steps if not s.type.endswith("LoadProposals")])
    image = np.full((427, 640, 3), 90, np.uint8)
    item = built({"img": image, "img_id": 1, "img_path": "", "instances": [], "has_masks": True})
    (info,) = image_infos([item["data_samples"]])
    return [s.type.removeprefix("cascadekit.") for s in steps], info.size


@pytest.mark.parametrize(
    ("name", "batch", "jitter", "train_size", "test_size"),
    [
        # training keeps proportions; at test time the sides are multiples of 32
        ("coco_caffe", 1, True, (800, 1199), (800, 1184)),
        ("coco_caffe_600", 4, True, (600, 899), (608, 896)),
        ("voc_caffe", 4, True, (600, 899), (608, 896)),
        ("voc_caffe_rfcn", 2, False, (600, 899), (608, 896)),
        ("coco_x152", 1, False, None, (800, 1199)),
        ("coco_proposals", 2, False, (800, 1199), (800, 1199)),
        ("coco_detection", 2, False, (800, 1199), (800, 1199)),
    ],
)
def test_data(name, batch, jitter, train_size, test_size):
    config = block(f"datasets/{name}")
    assert config.train_dataloader.batch_size == batch
    steps, size = pipeline(config, "train")
    assert ("ColourJitter" in steps) == jitter
    if jitter:  # on the picture as it is in the file
        assert steps[:2] == ["LoadImage", "ColourJitter"]
    assert steps[-2:] == ["RandomFlip", "PackInputs"]
    assert train_size is None or size == train_size
    steps, size = pipeline(config, "test")
    assert "ColourJitter" not in steps and "RandomFlip" not in steps
    assert size == test_size


def test_scale_jitter_of_the_resnext_152():
    np.random.seed(0)
    config = block("datasets/coco_x152")
    shorts = {pipeline(config, "train")[1][0] for _ in range(60)}
    assert shorts == {640, 672, 704, 736, 768, 800}


@pytest.mark.parametrize("name", ["voc_caffe", "voc_caffe_rfcn"])
def test_voc_trains_on_both_years_and_tests_on_one(name):
    config = block(f"datasets/{name}")
    for key in ("image_dir", "ann_dir", "split_file"):
        paths = config.train_dataloader.dataset[key]
        assert ["VOC2007" in p for p in paths] == [True, False]
        assert ["VOC2012" in p for p in paths] == [False, True]
        assert "VOC2007" in config.test_dataloader.dataset[key]
    assert config.test_dataloader.dataset.split_file.endswith("/test.txt")


@pytest.mark.parametrize(("split", "most"), [("train", 2000), ("val", 1000)])
def test_stored_proposals_are_those_of_the_split(split, most):
    steps = block("datasets/coco_proposals")[f"{split}_dataloader"].dataset.pipeline
    (step,) = [s for s in steps if s.type == "cascadekit.LoadProposals"]
    assert steps.index(step) == 1  # after LoadImage
    assert step.file == f"data/proposals/coco_{split}2017.safetensors" and step.most == most
