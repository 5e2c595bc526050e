"""mmdetection's names from a list; tests/parity/test_mmdet_weights.py has its live detectors."""

import pytest
import torch

from cascadekit.checkpoints import load_weights, save_weights
from cascadekit.checkpoints.dialects import translate as translate_any
from cascadekit.checkpoints.mmdet import refuse_old, to_mmdet, translate
from cascadekit.errors import InputError

# (ours, mmdetection's), one row per kind of layer; K = 2.
COMMON = [
    "backbone.conv1.weight",
    "backbone.bn1.running_mean",
    "backbone.bn1.num_batches_tracked",
    "backbone.layer1.0.downsample.0.weight",
    "backbone.layer2.0.conv2.conv_offset.weight",
    "backbone.gn1.weight",
    "neck.lateral_convs.0.conv.weight",
    "neck.fpn_convs.3.gn.bias",
    "rpn_head.rpn_conv.weight",
    "rpn_head.rpn_cls.bias",
    "rpn_head.rpn_reg.weight",
]
BOX = [
    "shared_convs.0.conv.weight",
    "shared_convs.0.gn.weight",
    "shared_fcs.1.bias",
    "fc_cls.weight",
    "fc_reg.bias",
]
MASK = ["convs.3.conv.bias", "convs.0.gn.weight", "upsample.weight", "conv_logits.bias"]


def ours(stages: int, masks: int) -> list[str]:
    names = list(COMMON)
    names += [f"roi_head.bbox_head.{k}.{name}" for k in range(stages) for name in BOX]
    return names + [f"roi_head.mask_head.{k}.{name}" for k in range(masks) for name in MASK]


def theirs(stages: int, masks: int) -> list[str]:
    def numbers(count):
        return [""] if stages == 1 else [f"{k}." for k in range(count)]

    names = list(COMMON)
    names += [f"roi_head.bbox_head.{k}{name}" for k in numbers(stages) for name in BOX]
    if masks:
        names += [f"roi_head.mask_head.{k}{name}" for k in numbers(stages) for name in MASK]
    return names


def numbered(names) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([float(i)]) for i, name in enumerate(names)}


@pytest.mark.parametrize(("stages", "masks"), [(1, 0), (1, 1), (3, 0), (3, 3), (2, 2)])
def test_both_directions(zoo, stages, masks):
    state = numbered(theirs(stages, masks))
    found = translate(state)
    zoo.accounted(found, state)
    assert not (found.unknown or found.ignored or found.made)
    assert list(found.weights) == ours(stages, masks)
    back = to_mmdet(found.weights)
    assert list(back.weights) == theirs(stages, masks)
    assert all(back.weights[name] is state[name] for name in state)
    assert not (back.unknown or back.made)


@pytest.mark.parametrize("stages", [2, 3])
def test_one_mask_head_goes_to_every_stage(stages):
    """Ours of strategies (b) and (c): mmdetection averages equal masks."""
    state = numbered(ours(stages, 1))
    found = to_mmdet(state)
    assert sorted(found.weights) == sorted(theirs(stages, stages))
    assert len(found.made) == (stages - 1) * len(MASK)
    for name in MASK:
        for k in range(stages):
            copy = found.weights[f"roi_head.mask_head.{k}.{name}"]
            assert torch.equal(copy, state[f"roi_head.mask_head.0.{name}"])


def test_what_mmdetection_has_no_layer_for():
    names = ["neck.down_convs.0.weight", "rpn_head.rpn_conv.0.weight", "rpn_head.branches.0.weight"]
    assert list(to_mmdet(numbered(names)).unknown) == names


def test_other_heads_of_theirs_are_unknown():
    names = ["roi_head.bbox_head.fc_cls.weight", "roi_head.semantic_head.conv.weight"]
    found = translate(numbered(names))
    assert list(found.unknown) == names[1:]


def test_offsets_of_early_deformable_convolutions():
    name = "backbone.layer2.0.conv2_offset.weight"
    found = translate_any(numbered([name]))
    assert list(found.weights) == ["backbone.layer2.0.conv2.conv_offset.weight"]


def test_a_lone_head_beside_numbered_ones():
    names = ["roi_head.bbox_head.fc_cls.bias", "roi_head.bbox_head.0.fc_cls.bias"]
    with pytest.raises(InputError, match="would both become"):
        translate(numbered(names))


@pytest.mark.parametrize(
    "names",
    [
        ["rpn_head.rpn_conv.weight", "bbox_head.fc_cls.weight"],  # Faster R-CNN
        ["rpn_head.rpn_conv.weight", "bbox_head.0.fc_cls.weight"],  # Cascade R-CNN
        ["rpn_head.rpn_conv.weight", "mask_head.0.convs.0.conv.weight"],
    ],
)
def test_before_2_0(tmp_path, names):
    path = save_weights({"state_dict": numbered(names), "meta": {}}, tmp_path / "old.pth")
    with pytest.raises(InputError, match=r"old\.pth: .* mmdetection before 2\.0"):
        load_weights(torch.nn.Linear(1, 1), path)


@pytest.mark.parametrize(
    "names", [["bbox_head.retina_cls.weight"], ["rpn_head.rpn_conv.weight"], []]
)
def test_what_is_not_before_2_0(names):
    refuse_old(names)
