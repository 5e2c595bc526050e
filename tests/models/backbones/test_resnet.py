"""ResNet against torchvision's, and what is frozen when."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cascadekit.errors import InputError
from cascadekit.models.backbones.resnet import ResNet
from cascadekit.registry import MODELS

torchvision_models = pytest.importorskip("torchvision.models")


def randomise_norms(model: nn.Module) -> None:
    """Statistics and affine parameters other than 0 and 1, so that none can go unused."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.5 + 0.5)
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_maps_equal_torchvision(depth):
    theirs = getattr(torchvision_models, f"resnet{depth}")(weights=None)
    randomise_norms(theirs)
    theirs.eval()
    ours = ResNet(depth)
    keys = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert keys.missing_keys == []
    assert keys.unexpected_keys == ["fc.weight", "fc.bias"]

    images = torch.randn(1, 3, 41, 66)  # odd sizes
    with torch.no_grad():
        maps = ours(images)
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(images))))
        for level, layer in enumerate((theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4)):
            x = layer(x)
            assert torch.equal(maps[level], x), level
    assert ours.out_channels == tuple(m.shape[1] for m in maps)
    assert ours.strides == (4, 8, 16, 32)


def test_caffe_style_moves_the_stride():
    blocks = [ResNet(50, style=style).layer2[0] for style in ("pytorch", "caffe")]
    assert [(b.conv1.stride[0], b.conv2.stride[0]) for b in blocks] == [(1, 2), (2, 1)]


def test_dilated_last_stage_keeps_the_stride():
    model = ResNet(18, stage_strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))
    assert model.strides == (4, 8, 16, 16)
    maps = model(torch.zeros(1, 3, 64, 64))
    assert maps[2].shape[2:] == maps[3].shape[2:] == (4, 4)
    assert model.layer4[0].conv1.dilation == model.layer4[1].conv2.dilation == (2, 2)


def test_only_what_is_returned_is_built():
    model = ResNet(18, out_indices=(1, 2))
    assert model.out_channels == (128, 256) and model.strides == (8, 16)
    assert not hasattr(model, "layer4")
    assert [m.shape for m in model(torch.zeros(1, 3, 32, 32))] == [(1, 128, 4, 4), (1, 256, 2, 2)]


def test_statistics_stay_with_norm_eval():
    images = torch.randn(2, 3, 32, 32)
    for norm_eval in (True, False):
        model = ResNet(18, norm_eval=norm_eval, frozen_stages=1).eval().train()
        before = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
        model(images)
        moved = {k for k, v in model.state_dict().items() if k in before and (v != before[k]).any()}
        if norm_eval:
            assert moved == set()
        else:
            assert "layer2.0.bn1.running_mean" in moved
            assert not any(k.startswith(("bn1", "layer1")) for k in moved)  # frozen ones never


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [(-1, set()), (0, {"conv1", "bn1"}), (2, {"conv1", "bn1", "layer1", "layer2"})],
)
def test_frozen_stages(frozen, expected):
    model = ResNet(18, frozen_stages=frozen)
    still = {name.split(".")[0] for name, p in model.named_parameters() if not p.requires_grad}
    assert still == expected


def test_norm_frozen_and_names():
    model = ResNet(18, norm_frozen=True)
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert {"bn1.weight", "layer1.0.bn2.bias", "layer2.0.downsample.1.weight"} <= fixed
    assert not any("conv" in name or "downsample.0" in name for name in fixed)


def test_group_norm():
    model = ResNet(50, norm="GN")
    assert isinstance(model.gn1, nn.GroupNorm) and model.gn1.num_groups == 32
    assert "layer1.0.gn3.weight" in model.state_dict()
    assert not any(".bn" in key for key in model.state_dict())
    assert model(torch.zeros(1, 3, 33, 33))[3].shape == (1, 2048, 2, 2)


def test_registered_and_weights_wait_for_init(tmp_path):
    source = ResNet(18)
    torch.save(source.state_dict(), tmp_path / "r18.pth")
    model = MODELS.build(
        dict(type="cascadekit.ResNet", depth=18, weights=str(tmp_path / "r18.pth"))
    )
    assert not torch.equal(model.conv1.weight, source.conv1.weight)
    model.init_weights()
    assert torch.equal(model.conv1.weight, source.conv1.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(depth=51), "depth=51 must be one of 18, 34, 50, 101, 152"),
        (dict(style="cafe"), "Did you mean 'caffe'"),
        (dict(norm="LN"), "norm='LN' must be one of BN, GN"),
        (dict(out_indices=(2, 1)), "ascending"),
        (dict(out_indices=()), "at least one"),
        (dict(out_indices=(0, 4)), "from 0 to 3"),
        (dict(frozen_stages=5), "frozen_stages=5"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        ResNet(**settings)
