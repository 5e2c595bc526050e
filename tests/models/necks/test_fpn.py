"""FPN by hand and against torchvision's."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.necks.fpn import FPN
from cascadekit.registry import MODELS


def test_constant_maps_add_up():
    # Every lateral multiplies by 1 and adds its level's bias; each output is the centre weight 1 of
    # a 3x3: the top-down sums themselves.
    fpn = FPN([1, 1, 1], out_channels=1, num_outs=4)
    for level, (lateral, smooth) in enumerate(zip(fpn.lateral_convs, fpn.fpn_convs, strict=True)):
        torch.nn.init.ones_(lateral.conv.weight)
        torch.nn.init.constant_(lateral.conv.bias, level)
        torch.nn.init.dirac_(smooth.conv.weight)
    maps = [torch.full((2, 1, s, s + 1), v) for s, v in ((9, 100.0), (5, 10.0), (3, 1.0))]
    outs = fpn(maps)
    assert [tuple(o.shape[2:]) for o in outs] == [(9, 10), (5, 6), (3, 4), (2, 2)]
    # level 2: 1 + 2; level 1: 10 + 1 + 3; level 0: 100 + 0 + 14; the extra one repeats level 2
    assert [o.unique().tolist() for o in outs] == [[114.0], [14.0], [3.0], [3.0]]


def test_upsampling_repeats_the_nearest_pixel():
    fpn = FPN([1, 1], out_channels=1, num_outs=2)
    for lateral, smooth in zip(fpn.lateral_convs, fpn.fpn_convs, strict=True):
        torch.nn.init.ones_(lateral.conv.weight)
        torch.nn.init.dirac_(smooth.conv.weight)
    finest, _ = fpn([torch.zeros(1, 1, 1, 4), torch.tensor([[[[1.0, 2.0]]]])])
    assert finest.flatten().tolist() == [1, 1, 2, 2]


def test_equals_torchvision_after_copying_weights():
    ops = pytest.importorskip("torchvision.ops")
    from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

    channels = [4, 6, 8]
    theirs = ops.FeaturePyramidNetwork(channels, 5, LastLevelMaxPool())
    ours = FPN(channels, out_channels=5, num_outs=4)
    for level in range(3):
        pairs = [
            (ours.lateral_convs[level].conv, theirs.inner_blocks[level][0]),
            (ours.fpn_convs[level].conv, theirs.layer_blocks[level][0]),
        ]
        for mine, other in pairs:
            torch.nn.init.normal_(other.bias)
            mine.load_state_dict(other.state_dict())
    sizes = [(13, 22), (7, 11), (4, 6)]
    maps = [torch.randn(2, c, *s) for c, s in zip(channels, sizes, strict=True)]
    expected = theirs(OrderedDict(enumerate(maps))).values()
    for mine, other in zip(ours(maps), expected, strict=True):
        torch.testing.assert_close(mine, other)


def test_names_are_those_of_mmdetection():
    fpn = MODELS.build(dict(type="cascadekit.FPN", in_channels=[8, 16], out_channels=32))
    assert set(fpn.state_dict()) == {
        f"{kind}_convs.{level}.conv.{name}"
        for kind in ("lateral", "fpn")
        for level in (0, 1)
        for name in ("weight", "bias")
    }
    assert fpn.out_channels == 32
    outs = fpn([torch.zeros(1, 8, 16, 16), torch.zeros(1, 16, 8, 8)])
    assert [o.shape[-1] for o in outs] == [16, 8, 4, 2, 1]


def test_group_norm_replaces_the_biases():
    keys = FPN([8], out_channels=32, num_outs=1, norm="GN").state_dict()
    assert "lateral_convs.0.gn.weight" in keys and "lateral_convs.0.conv.bias" not in keys


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(num_outs=1), "num_outs=1 is less than the 2 maps"),
        (dict(norm="BN"), "norm='BN' must be None or 'GN'"),
        (dict(extra="conv"), "extra='conv' must be 'maxpool'"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        FPN([8, 16], **settings)


def test_wrong_number_of_maps():
    with pytest.raises(ValueError, match="shorter"):
        FPN([8, 16], out_channels=8)([torch.zeros(1, 8, 4, 4)])
