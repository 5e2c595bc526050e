"""ResNet and ResNeXt against torchvision's, what is frozen when, and deformable stages."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cascadekit.errors import InputError
from cascadekit.models.backbones.deformable import DeformableConv2d
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


VARIANTS = {
    "resnet18": dict(depth=18),
    "resnet34": dict(depth=34),
    "resnet50": dict(depth=50),
    "resnet101": dict(depth=101),
    "resnext50_32x4d": dict(depth=50, groups=32, base_width=4),
}
LARGE = {
    "wide_resnet50_2": dict(depth=50, base_width=128),
    "resnext101_32x8d": dict(depth=101, groups=32, base_width=8),
    "resnext101_64x4d": dict(depth=101, groups=64, base_width=4),
}


@pytest.mark.parametrize(
    "name", [*VARIANTS, *(pytest.param(n, marks=pytest.mark.slow) for n in LARGE)]
)
def test_maps_equal_torchvision(name):
    theirs = getattr(torchvision_models, name)(weights=None)
    randomise_norms(theirs)
    theirs.eval()
    ours = ResNet(**{**VARIANTS, **LARGE}[name])
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


@pytest.mark.parametrize("dcn", [None, "v1"])
def test_dilated_res5_of_r_fcn(dcn):
    """Stride 16 to the end; all of its weights are still those of the ImageNet network."""
    model = ResNet(
        50,
        stage_strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        dcn=dcn,
        dcn_stages=(3,),
        dcn_groups=4,
    )
    assert model.strides == (4, 8, 16, 16) and model.out_channels[3] == 2048
    maps = model(torch.randn(1, 3, 70, 83))
    assert maps[2].shape == (1, 1024, 5, 6) and maps[3].shape == (1, 2048, 5, 6)
    for block in model.layer4:
        assert block.conv2.dilation == block.conv2.padding == (2, 2)
        assert block.conv2.stride == block.conv1.stride == (1, 1)
    keys = set(torchvision_models.resnet50(weights=None).state_dict()) - {"fc.weight", "fc.bias"}
    extra = {f"layer4.{b}.conv2.conv_offset.{n}" for b in range(3) for n in ("weight", "bias")}
    assert set(model.state_dict()) == (keys | extra if dcn else keys)


@pytest.mark.parametrize(("dcn", "factor"), [("v1", 1.0), ("v2", 0.5)])
def test_an_untrained_deformable_stage_is_a_plain_one(dcn, factor):
    """With offsets of 0; the masks of v2 are sigmoid(0)."""
    settings = dict(depth=50, groups=32, base_width=4)
    plain, deformable = ResNet(**settings), ResNet(**settings, dcn=dcn, dcn_stages=(2,))
    randomise_norms(plain)
    state = plain.state_dict()
    report = deformable.load_state_dict(state, strict=False)
    assert report.missing_keys == [k for k in deformable.state_dict() if ".conv_offset." in k]
    assert {k.split(".")[0] for k in report.missing_keys} == {"layer3"}
    for block in plain.layer3:
        block.conv2.weight.data *= factor
    images = torch.randn(2, 3, 33, 40)
    with torch.no_grad():
        for ours, expected in zip(deformable(images), plain(images), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dcn", ["v1", "v2"])
def test_offsets_are_learnt_and_moved_taps_matter(dcn):
    model = ResNet(50, out_indices=(0, 1), dcn=dcn, dcn_stages=(1,), dcn_groups=2)
    randomise_norms(model)
    layer = model.layer2[1].conv2
    assert isinstance(layer, DeformableConv2d) and not isinstance(
        model.layer1[1].conv2, DeformableConv2d
    )
    assert layer.conv_offset.weight.shape == ((2 if dcn == "v1" else 3) * 2 * 9, 128, 3, 3)
    images = torch.randn(2, 3, 40, 48)
    before = model(images)
    before[1].square().sum().backward()
    for name, parameter in model.layer2.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert layer.conv_offset.weight.grad.abs().max() > 0
    with torch.no_grad():
        layer.conv_offset.bias[:2] = 1.0  # the first tap of the first group, down and right
        after = model(images)
    assert torch.equal(after[0], before[0]) and not torch.allclose(after[1], before[1])


def test_a_deformable_layer_by_hand():
    # One tap of the kernel is 1, the lower right; v2's logits are 0, so all counts half. Offset
    # (dy, dx) = (-1, -1) of that tap, which is the ninth, gives the picture back.
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    for version, factor in (("v1", 1.0), ("v2", 0.5)):
        layer = DeformableConv2d(1, 1, version=version)
        nn.init.zeros_(layer.weight)
        layer.weight.data[0, 0, 2, 2] = 1
        shifted = torch.zeros(3, 4)
        shifted[:2, :3] = x[0, 0, 1:, 1:]
        assert torch.equal(layer(x)[0, 0], shifted * factor)
        layer.conv_offset.bias.data[16:18] = -1
        assert torch.equal(layer(x)[0, 0], x[0, 0] * factor)
    layer.conv_offset.bias.data[18 + 8] = 100.0  # the ninth tap's mask, now 1
    assert torch.equal(layer(x)[0, 0], x[0, 0])


def test_a_deformable_backbone_takes_weights_without_offsets(tmp_path):
    source = ResNet(50, out_indices=(0, 1))
    torch.save(source.state_dict(), tmp_path / "r50.pth")
    settings = dict(depth=50, out_indices=(0, 1), dcn="v2", dcn_stages=(1,))
    model = ResNet(**settings, weights=str(tmp_path / "r50.pth"))
    model.layer2[0].conv2.conv_offset.bias.data.fill_(3.0)
    model.init_weights()
    assert torch.equal(model.layer2[0].conv2.weight, source.layer2[0].conv2.weight)
    assert (model.layer2[0].conv2.conv_offset.bias == 3).all()  # as it was
    torch.save(model.state_dict(), tmp_path / "dcn.pth")  # and a file with them gives them
    other = ResNet(**settings, weights=str(tmp_path / "dcn.pth"))
    other.init_weights()
    assert (other.layer2[0].conv2.conv_offset.bias == 3).all()


@pytest.mark.parametrize("dcn", [None, "v1", "v2"])
def test_one_pixel(dcn):
    maps = ResNet(50, groups=32, base_width=4, dcn=dcn)(torch.randn(1, 3, 1, 1))
    assert [m.shape[2:] for m in maps] == [(1, 1)] * 4
    assert all(m.isfinite().all() for m in maps)


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


def test_group_norm_with_groups_and_deformable_stages():
    model = ResNet(50, norm="GN", groups=32, base_width=4, dcn="v1")
    assert model.layer2[0].conv2.groups == 32 and "layer2.0.gn2.weight" in model.state_dict()
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
        (dict(depth=18, groups=2), "depth=18 has no bottlenecks"),
        (dict(depth=34, dcn="v1"), "depth=34 has no bottlenecks"),
        (dict(dcn="v3"), "dcn='v3' must be None or one of v1, v2"),
        (dict(dcn="v1", dcn_stages=(3, 4)), r"dcn_stages=\(3, 4\) must be numbers from 0"),
        (dict(dcn="v1", dcn_groups=3), "must divide the 64 channels"),
        (dict(groups=0), "groups=0, base_width=64 and dcn_groups=1 must be 1 or more"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        ResNet(**settings)
