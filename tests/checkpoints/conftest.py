"""What the tests of key maps share: our detectors' shapes, and a network that goes by names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cascadekit.registry import MODELS

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
CLASSES = 3  # K


def detector_config(
    depth=50,
    groups=1,
    base_width=64,
    style="pytorch",
    stages=1,
    masks=0,
    agnostic=False,
    norm="BN",
    classes=CLASSES,
    fc_channels=1024,
):
    """A detector with the widths of the published ones; masks: number of mask heads."""
    groupnorm = 32 if norm == "GN" else None
    pool = {"type": "cascadekit.PyramidRoIAlign", "output_size": 7}
    head = {"num_convs": 4, "num_fcs": 1} if norm == "GN" else {}
    roi_head = {
        "type": "cascadekit.CascadeRoIHead",
        "box_pool": pool,
        "bbox_head": {
            "type": "cascadekit.BBoxHead",
            "in_channels": 256,
            "fc_channels": fc_channels,
            "class_agnostic": agnostic,
            "norm_groups": groupnorm,
            **head,
        },
        "stage_ious": (0.5, 0.6, 0.7)[:stages],
    }
    if masks:
        roi_head["mask_pool"] = {**pool, "output_size": 14}
        roi_head["mask_head"] = {
            "type": "cascadekit.MaskHead",
            "in_channels": 256,
            "norm_groups": groupnorm,
        }
        roi_head["mask_strategy"] = "d" if masks > 1 else "c"
    grouped = {"groups": groups, "base_width": base_width} if groups > 1 else {}
    return {
        "type": "cascadekit.CascadeRCNN",
        "num_classes": classes,
        "backbone": {
            "type": "cascadekit.ResNet",
            "depth": depth,
            "style": style,
            "norm": norm,
            **grouped,
        },
        "neck": {
            "type": "cascadekit.FPN",
            "in_channels": [256, 512, 1024, 2048],
            "norm": "GN" if norm == "GN" else None,
        },
        "rpn_head": {"type": "cascadekit.RPNHead", "in_channels": 256},
        "roi_head": roi_head,
    }


def shapes_of(state) -> dict[str, tuple[int, ...]]:
    """Name -> shape, without the step counters that only batch norms of torch have."""
    return {k: tuple(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}


def detector_shapes(**settings) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one of our detectors, built without memory."""
    with torch.device("meta"):
        return shapes_of(MODELS.build(detector_config(**settings)).state_dict())


def reference_pyramid(
    conv: Callable[..., Tensor],
    norm: Callable[..., Tensor],
    images: Tensor,
    blocks=BLOCKS[50],
    groups=1,
    stride_1x1=False,
) -> list[Tensor]:
    """ResNet and FPN (He et al. 2016; Lin et al. 2017), written a second time.

    `conv(where, x, stride, padding, groups)` and `norm(where, x)` find their weights by `where`:
    ("stem",), (res, block, 0 for the shortcut or 1..3), ("lateral", res), ("output", res), with
    res from 2 to 5.
    """
    x = norm(("stem",), conv(("stem",), images, 2, 3, 1)).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    maps = []
    for res, count in enumerate(blocks, start=2):
        for block in range(count):
            stride = 2 if block == 0 and res > 2 else 1
            first, second = (stride, 1) if stride_1x1 else (1, stride)
            shortcut = x
            if block == 0:
                where = (res, block, 0)
                shortcut = norm(where, conv(where, x, stride, 0, 1))
            for number, (step, padding, parts) in enumerate(
                ((first, 0, 1), (second, 1, groups), (1, 0, 1)), start=1
            ):
                where = (res, block, number)
                x = norm(where, conv(where, x, step, padding, parts))
                x = x.relu() if number < 3 else (x + shortcut).relu()
        maps.append(x)
    sums = [conv(("lateral", res), m, 1, 0, 1) for res, m in enumerate(maps, start=2)]
    for level in (2, 1, 0):
        sums[level] = sums[level] + F.interpolate(sums[level + 1], scale_factor=2.0)
    pyramid = [conv(("output", res), s, 1, 1, 1) for res, s in enumerate(sums, start=2)]
    return [*pyramid, pyramid[-1][:, :, ::2, ::2]]


def assert_near(ours: Tensor, theirs: Tensor) -> float:
    """Equal to 1e-4 of the largest number; the difference, relative to it."""
    assert ours.shape == theirs.shape and ours.numel() > 0
    relative = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    assert theirs.abs().max() > 1e-3 and theirs.std() > 0
    assert relative < 1e-4
    return relative


def assert_accounted(translation, state) -> None:
    """Every key of the file is mapped, ignored or unknown, and in one of these only."""
    mapped, ignored = set(translation.sources.values()), set(translation.ignored)
    unknown = set(translation.unknown)
    assert len(mapped) == len(translation.sources)
    assert mapped | ignored | unknown == set(state)
    assert len(mapped) + len(ignored) + len(unknown) == len(state) == translation.total
    assert set(translation.weights) == set(translation.sources) | set(translation.made)


def random_weights(shapes) -> dict[str, Tensor]:
    """Values that keep a deep network's activations within bounds and each layer's effect seen."""
    state = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            fan_in = torch.Size(shape[1:]).numel()
            state[name] = torch.randn(shape) * (1.0 / fan_in) ** 0.5
        elif name.endswith(("_s", "norm.weight", "running_var")):
            state[name] = 0.5 + torch.rand(shape)
        else:
            state[name] = 0.1 * torch.randn(shape)
    return state


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def zoo() -> SimpleNamespace:
    """The functions above; tests are no package that could be imported from."""

    def build(**settings) -> nn.Module:
        """One of our detectors without values: its first ones would take longer than the test."""
        with torch.device("meta"):
            detector = MODELS.build(detector_config(**settings))
        return detector.to_empty(device="cpu").eval()

    return SimpleNamespace(
        classes=CLASSES,
        blocks=BLOCKS,
        build=build,
        shapes=detector_shapes,
        shapes_of=shapes_of,
        pyramid=reference_pyramid,
        near=assert_near,
        accounted=assert_accounted,
        random=random_weights,
        on_meta=lambda shapes: {k: torch.empty(s, device="meta") for k, s in shapes.items()},
    )
