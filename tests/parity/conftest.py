"""What the comparisons with other detectors share: the peer, the yardstick, the table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn

from cascadekit.registry import MODELS

RELATIVE = 1e-4  # fp32; see `compare`

# The small detectors of `pair`.
K = 5
CHANNELS = 16
SIZES = [(128, 160), (120, 131)]  # height, width; the second picture is padded
IOUS = (0.5, 0.6, 0.7)
STDS = [(0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067)]
EVERYTHING = {"type": "RandomSampler", "num": 10**6, "pos_fraction": 0.5}  # nothing is random

_DIFFERENCES: dict[str, tuple[float, float]] = {}  # name -> largest difference, largest value


@pytest.fixture(scope="session")
def mmdet() -> SimpleNamespace:
    """The peer, mmdetection 3.3 with mmcv's compiled ops; a skip without, or a failure."""
    try:
        mmcv = import_module("mmcv")
        import_module("mmcv.ops")
        version = mmcv.__version__
        # mmdet 3.3 refuses mmcv >= 2.2, whose ops it runs with nevertheless.
        mmcv.__version__ = "2.1.0"
        try:
            import_module("mmdet.models")
        finally:
            mmcv.__version__ = version
    except (ImportError, OSError, AssertionError) as error:
        if os.environ.get("CASCADEKIT_REQUIRE_MMCV_OPS") == "1":
            pytest.fail(f"CASCADEKIT_REQUIRE_MMCV_OPS=1 but mmdetection cannot be used: {error}")
        pytest.skip(
            "needs mmcv's compiled ops and mmdet==3.3.0, installed with --no-deps beside scipy, "
            f"shapely, terminaltables, six and tqdm: {error}"
        )
    config_dict = import_module("mmengine").ConfigDict
    registry = import_module("mmdet.registry")
    return SimpleNamespace(
        model=lambda config: registry.MODELS.build(config_dict(config)),
        task=lambda config: registry.TASK_UTILS.build(config_dict(config)),
        config=config_dict,
        nms=import_module("mmdet.models.layers.bbox_nms"),
        masks=import_module("mmdet.structures.mask"),
        sample=import_module("mmdet.structures").DetDataSample,
        rois=import_module("mmdet.structures.bbox").bbox2roi,
    )


@pytest.fixture
def compare() -> Callable[..., None]:
    """`compare(name, ours, theirs)`: equal to 1e-4 of each number and 1e-5 of the largest."""

    def check(name: str, ours: Tensor, theirs: Tensor) -> None:
        ours, theirs = ours.detach().float(), theirs.detach().float()
        assert ours.shape == theirs.shape, f"{name}: {ours.shape} and {theirs.shape}"
        assert ours.numel() > 0, f"{name}: nothing to compare"
        difference = (ours - theirs).abs().max().item()
        largest = theirs.abs().max().item()
        torch.testing.assert_close(
            ours, theirs, rtol=RELATIVE, atol=RELATIVE / 10 * largest, msg=lambda m: f"{name}: {m}"
        )
        # After the check: the table holds only what agreed.
        before = _DIFFERENCES.get(name, (0.0, 0.0))
        _DIFFERENCES[name] = (max(difference, before[0]), max(largest, before[1]))

    return check


@pytest.fixture
def spread() -> Callable[..., None]:
    """`spread(run, {layer: std})`: scale layers so that their outputs have these deviations.

    Initial weights give equal scores and no deltas, on which any two detectors agree.
    """

    def scale(run: Callable[[], Any], wanted: dict[nn.Module, float]) -> None:
        def rescale(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            factor = wanted[layer] / output.std()
            layer.weight.data *= factor
            layer.bias.data *= factor
            hooks.pop(layer).remove()  # the layer may be shared by all levels: once only
            return output * factor

        hooks = {layer: layer.register_forward_hook(rescale) for layer in wanted}
        with torch.no_grad():
            run()
        assert not hooks, "a layer was not run"

    return scale


@pytest.fixture(scope="session")
def calibrate() -> Callable[..., None]:
    """`calibrate(model, run, {layer: (mean, std)})`: features that differ from place to place.

    In a deep network of random weights they hardly do: what all places share is a hundred times
    larger. Batch norms get the statistics of the run, and layers with a bias are shifted and scaled
    so that each channel has the mean wanted, or 0, and all together the deviation wanted, or 1.
    """

    def fit(
        model: nn.Module, run: Callable[[], Any], wanted: dict[nn.Module, tuple[float, float]]
    ) -> None:
        def take_statistics(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
            norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
            norm.running_var.copy_(inputs[0].var((0, 2, 3)))

        def shift_and_scale(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            hooks.pop(layer).remove()  # the layer may be shared by all levels: once only
            mean = output.transpose(0, 1).flatten(1).mean(1)  # of each channel
            centred = output - mean.view(-1, *[1] * (output.dim() - 2))
            wanted_mean, wanted_std = wanted.get(layer, (0.0, 1.0))
            factor = wanted_std / centred.std()
            layer.bias.data = (layer.bias - mean) * factor + wanted_mean
            layer.weight.data *= factor
            return centred * factor + wanted_mean

        hooks = {}
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.0)
                nn.init.normal_(module.bias, std=0.1)
                hooks[module] = module.register_forward_pre_hook(take_statistics)
            elif getattr(module, "bias", None) is not None:
                hooks[module] = module.register_forward_hook(shift_and_scale)
        norms = {layer: hook for layer, hook in hooks.items() if isinstance(layer, nn.BatchNorm2d)}
        with torch.no_grad():
            run()
        for layer, hook in norms.items():
            hooks.pop(layer)
            hook.remove()
        assert not hooks, "a layer was not run"

    return fit


@pytest.fixture
def randomise() -> Callable[[nn.Module], None]:
    """`randomise(model)`: give batch norms statistics, and all norms weights, worth comparing."""

    def fill(model: nn.Module) -> None:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.uniform_(module.weight, 0.3, 0.9)
                nn.init.normal_(module.bias, std=0.1)

    return fill


def box_head(stds, beta, agnostic):
    return {
        "type": "Shared2FCBBoxHead",
        "in_channels": CHANNELS,
        "fc_out_channels": 64,
        "roi_feat_size": 7,
        "num_classes": K,
        "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": stds},
        "reg_class_agnostic": agnostic,
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0},
        "loss_bbox": {"type": "SmoothL1Loss", "beta": beta, "loss_weight": 1.0},
    }


def roi_extractor(size, sampling):
    return {
        "type": "SingleRoIExtractor",
        "roi_layer": {"type": "RoIAlign", "output_size": size, "sampling_ratio": sampling},
        "out_channels": CHANNELS,
        "featmap_strides": [4, 8, 16, 32],
    }


def assigner(pos, neg, low_quality):
    return {
        "type": "MaxIoUAssigner",
        "pos_iou_thr": pos,
        "neg_iou_thr": neg,
        "min_pos_iou": neg,
        "match_low_quality": low_quality,
    }


def their_rpn():
    return {
        "type": "RPNHead",
        "in_channels": CHANNELS,
        "feat_channels": CHANNELS,
        "anchor_generator": {
            "type": "AnchorGenerator",
            "scales": [4],
            "ratios": [0.5, 1.0, 2.0],
            "strides": [4, 8, 16, 32, 64],
        },
        "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [1.0] * 4},
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0},
        "loss_bbox": {"type": "SmoothL1Loss", "beta": 1 / 9, "loss_weight": 1.0},
    }


def train_settings(stages):
    nms = {"type": "nms", "iou_threshold": 0.7}
    stage_settings = [
        {
            "assigner": assigner(u, u, False),
            "sampler": EVERYTHING,
            "mask_size": 28,
            "pos_weight": -1,
        }
        for u in IOUS[:stages]
    ]
    train = {
        "rpn": {
            "assigner": assigner(0.7, 0.3, True),
            "sampler": {**EVERYTHING, "add_gt_as_proposals": False},
            "allowed_border": 0,
            "pos_weight": -1,
        },
        "rpn_proposal": {"nms_pre": 200, "max_per_img": 150, "nms": nms, "min_bbox_size": 0},
        "rcnn": stage_settings if stages > 1 else stage_settings[0],
    }
    test = {
        "rpn": {"nms_pre": 200, "max_per_img": 100, "nms": nms, "min_bbox_size": 0},
        "rcnn": {
            "score_thr": 0.05,
            "nms": {"type": "nms", "iou_threshold": 0.5},
            "max_per_img": 100,
            "mask_thr_binary": 0.5,
        },
    }
    return {"train_cfg": train, "test_cfg": test}


def their_config(stages, masks, agnostic, sampling):
    if stages > 1:
        roi_head = {
            "type": "CascadeRoIHead",
            "num_stages": stages,
            "stage_loss_weights": [1, 0.5, 0.25][:stages],
            "bbox_head": [box_head(row, 1.0, agnostic) for row in STDS[:stages]],
        }
    else:
        roi_head = {"type": "StandardRoIHead", "bbox_head": box_head(STDS[0], 1.0, agnostic)}
    roi_head["bbox_roi_extractor"] = roi_extractor(7, sampling)
    if masks:
        roi_head["mask_roi_extractor"] = roi_extractor(14, sampling)
        roi_head["mask_head"] = {
            "type": "FCNMaskHead",
            "num_convs": 2,
            "in_channels": CHANNELS,
            "conv_out_channels": CHANNELS,
            "num_classes": K,
            "loss_mask": {"type": "CrossEntropyLoss", "use_mask": True, "loss_weight": 1.0},
        }
    name = "CascadeRCNN" if stages > 1 else "MaskRCNN" if masks else "FasterRCNN"
    return {
        "type": name,
        "data_preprocessor": {
            "type": "mmdet.DetDataPreprocessor",  # mmengine looks it up
            "mean": [123.675, 116.28, 103.53],
            "std": [58.395, 57.12, 57.375],
            "bgr_to_rgb": True,
            "pad_size_divisor": 32,
        },
        "backbone": {"type": "ResNet", "depth": 18, "norm_eval": True},
        "neck": {
            "type": "FPN",
            "in_channels": [64, 128, 256, 512],
            "out_channels": CHANNELS,
            "num_outs": 5,
        },
        "rpn_head": their_rpn(),
        "roi_head": roi_head,
        **train_settings(stages),
    }


def our_config(stages, masks, agnostic, sampling):
    kit = "cascadekit."
    everything = {**EVERYTHING, "type": kit + "RandomSampler"}
    roi_head = {
        "type": kit + "CascadeRoIHead",
        "box_pool": {
            "type": kit + "PyramidRoIAlign",
            "output_size": 7,
            "sampling_ratio": sampling,
        },
        "bbox_head": {
            "type": kit + "BBoxHead",
            "in_channels": CHANNELS,
            "fc_channels": 64,
            "class_agnostic": agnostic,
        },
        "stage_ious": IOUS[:stages],
        "delta_stds": STDS[:stages],
        "sampler": everything,
    }
    if masks:
        pool = {**roi_head["box_pool"], "output_size": 14}
        head = {"in_channels": CHANNELS, "conv_channels": CHANNELS, "num_convs": 2}
        roi_head |= {"mask_pool": pool, "mask_head": {"type": kit + "MaskHead", **head}}
    return {
        "type": kit + "CascadeRCNN",
        "recipe": "mmdet",
        "num_classes": K,
        "data_preprocessor": {
            **their_config(stages, masks, agnostic, sampling)["data_preprocessor"],
            "type": kit + "DetectionPreprocessor",
        },
        "backbone": {"type": kit + "ResNet", "depth": 18},
        "neck": {
            "type": kit + "FPN",
            "in_channels": [64, 128, 256, 512],
            "out_channels": CHANNELS,
        },
        "rpn_head": {
            "type": kit + "RPNHead",
            "in_channels": CHANNELS,
            "feat_channels": CHANNELS,
            "anchors": {"type": kit + "AnchorGenerator", "scales": [4]},
            "sampler": everything,
            "train_proposals": (200, 150),
            "test_proposals": (200, 100),
        },
        "roi_head": roi_head,
    }


def our_name(key: str) -> str:
    """Our key for mmdet's. Only two differ: a lone box or mask head has no number there."""
    for part in ("bbox_head", "mask_head"):
        lone = f"roi_head.{part}."
        if key.startswith(lone) and not key[len(lone)].isdigit():
            return key.replace(lone, f"{lone}0.")
    return key


def inner_boxes(size: tuple[int, int], count: int, low: float, high: float) -> Tensor:
    """(count, 4) boxes with sides of low..high pixels, at least 35 pixels from the border."""
    side = low + (high - low) * torch.rand(count, 2)
    limit = torch.tensor([size[1], size[0]]) - 70 - side
    corner = 35 + torch.rand(count, 2) * limit.clamp(min=0)
    return torch.cat([corner, corner + side], 1)


def ellipses(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) uint8: the ellipse in each box."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    x1, y1, x2, y2 = (side[:, None, None] for side in boxes.unbind(1))
    across, down = (x + 0.5 - (x1 + x2) / 2) / (x2 - x1), (y + 0.5 - (y1 + y2) / 2) / (y2 - y1)
    return (across**2 + down**2 < 0.25).to(torch.uint8)


def make_batch(mmdet, masks: bool) -> dict[str, list]:
    """Two pictures with objects far inside, as mmdet's data loader gives them."""
    batch = {"inputs": [], "data_samples": []}
    for size, count in zip(SIZES, (4, 2), strict=True):
        coarse = torch.rand(1, 3, 12, 12) * 255
        picture = torch.nn.functional.interpolate(coarse, size, mode="bilinear")[0]
        boxes = inner_boxes(size, count, 34, 46)
        meta = {"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)}
        sample = mmdet.sample(metainfo=meta)
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.arange(count) % K)
        if masks:
            bitmaps = ellipses(boxes, size).numpy()
            sample.gt_instances.masks = mmdet.masks.BitmapMasks(bitmaps, *size)
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
        batch["inputs"].append(picture.to(torch.uint8))
        batch["data_samples"].append(sample)
    return batch


@pytest.fixture
def pair(mmdet, randomise, spread):
    """`pair(stages, masks, ...)`: our detector and mmdet's with its weights, and a batch."""

    def build(stages=3, masks=False, agnostic=True, sampling=2):
        theirs = mmdet.model(their_config(stages, masks, agnostic, sampling))
        randomise(theirs)
        theirs.eval()
        batch = make_batch(mmdet, masks)
        data = theirs.data_preprocessor(batch)
        deviations = {theirs.rpn_head.rpn_cls: 2.0, theirs.rpn_head.rpn_reg: 0.3}
        for head in theirs.roi_head.bbox_head if stages > 1 else [theirs.roi_head.bbox_head]:
            deviations |= {head.fc_cls: 2.5, head.fc_reg: 0.7}
        spread(lambda: theirs.predict(data["inputs"], data["data_samples"]), deviations)
        if masks:
            heads = theirs.roi_head.mask_head if stages > 1 else [theirs.roi_head.mask_head]
            deviations = {head.conv_logits: 2.0 for head in heads}
            spread(lambda: theirs.predict(data["inputs"], data["data_samples"]), deviations)
        ours = MODELS.build(our_config(stages, masks, agnostic, sampling))
        state = {our_name(key): value for key, value in theirs.state_dict().items()}
        ours.load_state_dict(state, strict=True)
        return ours.eval(), theirs, data, batch

    return build


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """What tests of `pair` need to know of it."""
    return SimpleNamespace(
        classes=K,
        sizes=SIZES,
        stds=STDS,
        inner_boxes=inner_boxes,
        ellipses=ellipses,
        our_name=our_name,
        their_config=their_config,
        our_config=our_config,
    )


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The same random numbers whichever tests run; the caller's come back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The largest difference of everything compared, and how large the numbers were."""
    if not _DIFFERENCES:
        return
    width = max(map(len, _DIFFERENCES))
    write = terminalreporter.write_line
    terminalreporter.section("largest differences from other detectors")
    write(f"{'compared':<{width}}  {'difference':>10}  {'largest':>9}  {'relative':>9}")
    for name, (difference, largest) in _DIFFERENCES.items():
        relative = difference / largest if largest else 0.0
        write(f"{name:<{width}}  {difference:>10.1e}  {largest:>9.3g}  {relative:>9.1e}")
