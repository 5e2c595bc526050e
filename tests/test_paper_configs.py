"""Every row of the paper's tables: its config, shrunken, trains one step and predicts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope, build_from_cfg

from cascadekit.apis import load_config
from cascadekit.models.backbones import resnet
from cascadekit.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from cascadekit.structures.masks import InstanceMasks
from cascadekit.structures.samples import ImageInfo, Proposals, Targets, make_data_sample

ROOT = Path(__file__).parents[1] / "configs"
FOLDERS = ("", "mscnn", "mmdet", "detectron2", "torchvision")
ROWS = sorted((ROOT / "paper").rglob("*.py"))
OTHERS = [p for folder in FOLDERS for p in sorted((ROOT / folder).glob("*.py"))]
SIZE = (128, 160)  # height, width
BOXES = [[(16, 16, 80, 100), (60, 30, 150, 110)], [(20, 8, 61, 90)]]


def named(paths):
    return [pytest.param(p, id=p.relative_to(ROOT).with_suffix("").as_posix()) for p in paths]


def count_of(table):
    return len([p for p in ROWS if p.parent.name == table])


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("table1", 4),  # baseline, iterative BBox, integral loss, cascade
        ("table2", 5),  # 1, 2, 3, 1~2, 1~3
        ("table3", 5),  # neither, IoU up, statistics, both, both with avg
        ("table4", 5),  # 1 to 4 stages, and 4 tested with 3
        ("table6", 10),  # VGG, R-FCN R50 and R101, FPN+ R50 and R101, each with its cascade
        ("table7", 14),  # Fast R50, R50, R101, two X101, two GN, each with its cascade
        ("table9", 4),  # Mask R-CNN, (b), (c), (d)
        ("table10", 14),  # R50, R101, two X101, two GN, X152, each with its cascade
        ("table11", 8),  # AlexNet, VGG, R-FCN R50 and R101, each with its cascade
    ],
)
def test_every_row_has_a_config(table, rows):
    assert count_of(table) == rows


@pytest.mark.parametrize("path", named(ROWS))
def test_the_header_gives_the_published_number(path):
    header = path.read_text().split('"""')[1]
    table = path.parent.name.replace("table", "Table ")
    # The paper's number, or the words that it was not found.
    assert re.search(rf"AP: +.*{table}.*(\d\d\.\d|not found)", header) or (
        "fast_r50" in path.stem and "36.4" in header
    )


@pytest.mark.parametrize("path", named(ROWS))
def test_a_cascade_is_its_base_with_more_stages(path):
    config = load_config(path)
    base = path.with_name(path.name.replace("cascade_", ""))
    if path.stem.startswith("cascade_") and base in ROWS:
        assert load_config(base).model.roi_head.stage_ious == (0.5,)
        assert config.model.roi_head.stage_ious == 3


LEAST = {  # setting -> what a shrunken copy has at most
    "fc_channels": 16,
    "hidden_channels": 16,
    "feat_channels": 16,
    "conv_channels": 32,
    "out_channels": 32,
}


def shrink(value, wide):
    """A smaller copy of a model's config: `wide` channels of the neck become 32, layers thin."""
    if isinstance(value, dict):
        small = {key: shrink(item, wide) for key, item in value.items()}
        for key, most in LEAST.items():
            if key in small:
                small[key] = most
        if wide is not None and small.get("in_channels") == wide:
            small["in_channels"] = 32
        if small.get("type", "").endswith("RandomSampler"):
            small["num"] = min(small["num"], 32)
        if small.get("type", "").endswith(("MaskHead", "BBoxHead")):
            small.setdefault("conv_channels", 32)
        if small.get("type", "").endswith("RFCNHead"):
            small["hidden_channels"] = 16
        for key in ("train_proposals", "test_proposals"):
            if key in small:
                small[key] = (100, 60)
        return small
    if isinstance(value, (list, tuple)):
        return type(value)(shrink(item, wide) for item in value)
    return value


def small_model(config):
    model = config.model.to_dict()
    model["num_classes"] = 3
    model["backbone"]["weights"] = None
    neck = model.get("neck") or {}
    backbone = model.pop("backbone")
    model = {**shrink(model, neck.get("out_channels")), "backbone": backbone}
    torch.manual_seed(0)
    return MODELS.build(model)


def batch_of(masks, proposals):
    """Two pictures with objects, as the data loader gives them."""
    images, samples = [], []
    generator = torch.Generator().manual_seed(0)
    for number, objects in enumerate(BOXES):
        boxes = torch.tensor(objects, dtype=torch.float32)
        bitmaps = torch.zeros(len(boxes), *SIZE)
        for bitmap, (x1, y1, x2, y2) in zip(bitmaps, objects, strict=True):
            bitmap[y1:y2, x1:x2] = 1
        labels = torch.arange(len(boxes)) % 3
        target = Targets(
            boxes,
            labels,
            torch.zeros(0, 4),
            InstanceMasks.from_bitmaps(bitmaps) if masks else None,
        )
        stored = None
        if proposals:
            near = boxes.repeat(20, 1) + torch.randn(20 * len(boxes), 4, generator=generator) * 6
            stored = Proposals.from_list([near], [torch.rand(len(near), generator=generator)])
        info = ImageInfo(SIZE, SIZE, image_id=number, path=f"{number}.png")
        samples.append(make_data_sample(info, target, proposals=stored))
        images.append(torch.randint(0, 256, (3, *SIZE), generator=generator, dtype=torch.uint8))
    return {"inputs": images, "data_samples": samples}


@pytest.fixture
def one_block(monkeypatch):
    """ResNets of one block per stage."""
    thin = {d: (bottleneck, (1, 1, 1, 1)) for d, (bottleneck, _) in resnet.DEPTHS.items()}
    monkeypatch.setattr(resnet, "DEPTHS", thin)


@pytest.mark.slow
@pytest.mark.parametrize("path", named(ROWS + OTHERS))
def test_a_shrunken_copy_trains_a_step_and_predicts(path, one_block):
    config = load_config(path, options={"model.backbone.weights": None})
    model = small_model(config)
    head = model.roi_head
    masks = head is not None and bool(head.mask_stages)
    data = model.data_preprocessor(batch_of(masks, model.rpn_head is None), True)
    wrapper = dict(config.optim_wrapper)
    constructor = wrapper.pop("constructor")
    paramwise = wrapper.pop("paramwise_cfg", None)
    with DefaultScope.overwrite_default_scope("cascadekit"):
        built = build_from_cfg(
            {"type": constructor, "optim_wrapper_cfg": wrapper, "paramwise_cfg": paramwise},
            OPTIM_WRAPPER_CONSTRUCTORS,
        )(model)
    losses = model.loss(data["inputs"], data["data_samples"])
    assert all(value.isfinite() for value in losses.values())
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    sum(value for name, value in losses.items() if "loss" in name).backward()
    parameters = dict(model.named_parameters())
    assert [name for name in before if parameters[name].grad is None] == []
    built.step()
    moved = [name for name in before if not torch.equal(before[name], parameters[name])]
    assert len(moved) > len(before) / 2
    model.eval()
    with torch.no_grad():
        predictions = model.predict(data["inputs"], data["data_samples"])
    assert len(predictions) == 2
    for prediction in predictions:
        stages = 0 if head is None else int(head.test_stages[-1])
        assert len(prediction.stages) == stages
        assert prediction.detections.boxes.isfinite().all()
