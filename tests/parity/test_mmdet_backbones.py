"""ResNeXt, dilated and deformable backbones with mmdetection 3.3's weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cascadekit.models.backbones import ResNet
from cascadekit.models.backbones.deformable import DeformableConv2d

pytestmark = pytest.mark.mmdet

IMAGES = (2, 3, 68, 100)  # odd sizes from the second level on


@pytest.fixture
def same(mmdet, randomise):
    """`same(theirs, ours)`: both networks with the weights of theirs, offsets of some pixels."""

    def build(theirs: dict, ours: dict) -> tuple[ResNet, nn.Module]:
        their_net, our_net = mmdet.model(theirs), ResNet(**ours)
        randomise(their_net)
        for name, parameter in their_net.named_parameters():
            if name.endswith("conv_offset.weight"):
                nn.init.normal_(parameter, std=0.05)
            elif name.endswith("conv_offset.bias"):
                nn.init.normal_(parameter, std=1.0)
        our_net.load_state_dict(their_net.state_dict(), strict=True)
        our_net.eval()
        their_net.eval()  # of a ResNet this returns None
        return our_net, their_net

    return build


def compare_maps(compare, name: str, ours: ResNet, theirs: nn.Module) -> None:
    images = torch.randn(*IMAGES)
    with torch.no_grad():
        for level, (a, b) in enumerate(zip(ours(images), theirs(images), strict=True)):
            assert a.shape[1] == ours.out_channels[level]
            compare(name, a, b)


@pytest.mark.parametrize(
    ("depth", "groups", "base_width"), [(50, 32, 4), (50, 32, 8), (50, 64, 4), (101, 64, 4)]
)
@pytest.mark.parametrize("style", ["pytorch", "caffe"])
def test_resnext(same, compare, depth, groups, base_width, style):
    settings = {"depth": depth, "groups": groups, "base_width": base_width, "style": style}
    ours, theirs = same({"type": "ResNeXt", **settings}, settings)
    compare_maps(compare, f"ResNeXt-{depth} {groups}x{base_width}d {style}", ours, theirs)


@pytest.mark.parametrize("deform_groups", [1, 4])
@pytest.mark.parametrize("dcn", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["ResNet", "ResNeXt"])
def test_deformable_stages(same, compare, kind, dcn, deform_groups):
    """c3-c5, as mmdetection's configs have it."""
    grouped = {"groups": 32, "base_width": 4} if kind == "ResNeXt" else {}
    layer = {"v1": "DCN", "v2": "DCNv2"}[dcn]
    theirs = {
        "type": kind,
        "depth": 50,
        **grouped,
        "dcn": {"type": layer, "deform_groups": deform_groups, "fallback_on_stride": False},
        "stage_with_dcn": (False, True, True, True),
    }
    settings = {"depth": 50, **grouped, "dcn": dcn, "dcn_groups": deform_groups}
    ours, their_net = same(theirs, settings)
    compare_maps(compare, f"{kind}-50 {layer} in c3-c5", ours, their_net)
    # The offsets matter, far beyond the tolerance of the comparison.
    images = torch.randn(*IMAGES)
    with torch.no_grad():
        moved = ours(images)
        for module in ours.modules():
            if isinstance(module, DeformableConv2d):
                module.reset_offsets()
        straight = ours(images)
    assert torch.equal(moved[0], straight[0])
    for ours_moved, ours_straight in zip(moved[1:], straight[1:], strict=True):
        difference = (ours_moved - ours_straight).abs().max()
        assert difference > 0.002 * ours_moved.abs().max()


@pytest.mark.parametrize("dcn", [None, "v1", "v2"])
def test_dilated_res5(same, compare, dcn):
    """R-FCN's backbone, and Deformable R-FCN's."""
    steps = {"strides": (1, 2, 2, 1), "dilations": (1, 1, 1, 2)}
    ours = {"stage_strides": steps["strides"], "dilations": steps["dilations"]}
    theirs = {"type": "ResNet", "depth": 50, "style": "caffe", **steps}
    if dcn:
        theirs["dcn"] = {"type": {"v1": "DCN", "v2": "DCNv2"}[dcn], "deform_groups": 4}
        theirs["stage_with_dcn"] = (False, False, False, True)
        ours |= {"dcn": dcn, "dcn_stages": (3,), "dcn_groups": 4}
    our_net, their_net = same(theirs, {"depth": 50, "style": "caffe", **ours})
    assert our_net.strides == (4, 8, 16, 16)
    compare_maps(compare, f"ResNet-50, dilated res5, {dcn or 'plain'}", our_net, their_net)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_gradients_of_a_deformable_layer(mmdet, compare, version, stride):
    """Of the input, the weights and the offsets' own convolution."""
    from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack

    layers = {"v1": DeformConv2dPack, "v2": ModulatedDeformConv2dPack}
    settings = {"groups": 2, "deform_groups": 2}
    theirs = layers[version](8, 12, 3, stride, 2, 2, bias=False, **settings)
    nn.init.normal_(theirs.conv_offset.weight, std=0.2)
    nn.init.normal_(theirs.conv_offset.bias, std=1.0)
    ours = DeformableConv2d(8, 12, stride, 2, **settings, version=version)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x, y = (torch.randn(2, 8, 13, 17, generator=torch.Generator().manual_seed(1)) for _ in "xy")
    outputs = ours(x.requires_grad_()), theirs(y.requires_grad_())
    compare(f"deformable layer {version}", *outputs)
    weights = torch.randn(outputs[0].shape)
    for output in outputs:
        (output * weights).sum().backward()
    compare(f"deformable layer {version}: gradient of the input", x.grad, y.grad)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        compare(f"deformable layer {version}: gradient of {name}", a.grad, b.grad)


def test_initial_offsets(mmdet):
    """Of 0, so that an ImageNet network goes on as it was.

    Theirs are too when a checkpoint follows; without one, `init_weights` draws them as those of any
    convolution.
    """
    dcn = {"type": "DCN", "deform_groups": 1}
    theirs = mmdet.model(
        {"type": "ResNet", "depth": 50, "dcn": dcn, "stage_with_dcn": (False, False, False, True)}
    )
    ours = ResNet(50, dcn="v1", dcn_stages=(3,))
    assert set(ours.state_dict()) == set(theirs.state_dict())
    for network in (ours, theirs):
        offsets = [p for name, p in network.named_parameters() if ".conv_offset." in name]
        assert len(offsets) == 6 and all(p.count_nonzero() == 0 for p in offsets)
