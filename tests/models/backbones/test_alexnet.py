"""AlexNet against torchvision's, where its map lies, and what is frozen."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cascadekit.errors import InputError
from cascadekit.models.backbones.alexnet import AlexNet
from cascadekit.registry import MODELS

torchvision_models = pytest.importorskip("torchvision.models")


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    model = torchvision_models.alexnet(weights=None).eval()
    for parameter in model.features.parameters():
        # Initially the maps fade away from layer to layer.
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")
    return model


def test_maps_equal_torchvision(theirs):
    ours = AlexNet(out_indices=(0, 1, 2, 3, 4), centred=False)
    report = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert report.missing_keys == []
    assert {k.split(".")[0] for k in report.unexpected_keys} == {"classifier"}
    assert ours.strides == (4, 8, 16, 16, 16)
    x = torch.randn(2, 3, 97, 130)
    with torch.no_grad():
        maps = ours(x)
        for number, layer in enumerate(theirs.features):
            x = layer(x)
            if number in (1, 4, 7, 9, 11):
                (expected,) = [
                    m for m, tap in zip(maps, ours.taps, strict=True) if tap.layer == number
                ]
                assert torch.equal(expected, x)
    assert ours.out_channels == tuple(m.shape[1] for m in maps)


def test_the_centred_map_is_torchvisions_of_the_picture_moved_by_eight_pixels(theirs):
    """Pixel k then looks around 16 k + 7 instead of 16 k + 15."""
    model = AlexNet()
    model.load_state_dict(theirs.state_dict(), strict=False)
    images = torch.randn(1, 3, 256, 320)
    with torch.no_grad():
        (ours,) = model(images)
        moved = theirs.features[:12](F.pad(images, (8, 0, 8, 0)))
    assert ours.shape == (1, 256, 16, 20)  # H / 16, W / 16
    assert moved.shape == (1, 256, 15, 19)
    # Away from the borders, where maps end at different places.
    inner, expected = ours[:, :, 5:11, 5:15], moved[:, :, 5:11, 5:15]
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(inner, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("multiple", [1, 2, 5, 38])
def test_sizes(multiple):
    side = 16 * multiple
    (centred,) = AlexNet(out_indices=("conv3",))(torch.zeros(1, 3, side, 32))
    assert centred.shape == (1, 384, multiple, 2)
    if multiple > 1:
        (plain,) = AlexNet(out_indices=("conv3",), centred=False)(torch.zeros(1, 3, side, 32))
        assert plain.shape == (1, 384, multiple - 1, 1)


@pytest.mark.parametrize(
    ("settings", "least"),
    [({}, 15), ({"centred": False}, 31), ({"out_indices": (0,)}, 7), ({"out_indices": (1,)}, 15)],
)
def test_least_picture(settings, least):
    model = AlexNet(**settings)
    assert model(torch.zeros(1, 3, least, least + 3))[0].shape[2:].numel() >= 1
    with pytest.raises(
        InputError, match=rf"{least + 3} x {least - 1} pixels are too small, {least}"
    ):
        model(torch.zeros(1, 3, least + 3, least - 1))


@pytest.mark.parametrize(
    ("frozen", "expected"), [(-1, set()), (2, {"0", "3"}), (5, set("0 3 6 8 10".split()))]
)
def test_frozen_stages(frozen, expected):
    model = AlexNet(frozen_stages=frozen)
    fixed = {k.split(".")[1] for k, p in model.named_parameters() if not p.requires_grad}
    assert fixed == expected


def test_registered_and_loads_imagenet_weights(theirs, tmp_path):
    # Without the two largest layers, 200 MB that the backbone does not read.
    state = {k: v for k, v in theirs.state_dict().items() if v.numel() < 10**7}
    assert "classifier.6.weight" in state
    torch.save(state, tmp_path / "alexnet.pth")
    config = {"type": "cascadekit.AlexNet", "weights": str(tmp_path / "alexnet.pth")}
    model = MODELS.build(config)
    assert not torch.equal(model.features[10].weight, theirs.features[10].weight)
    model.init_weights()
    for key, value in model.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[key])
    assert model.out_channels == (256,) and model.strides == (16,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(out_indices=("conv6",)), "AlexNet: out_indices has 'conv6'.*Did you mean 'conv"),
        (dict(out_indices=(3, 2)), "finest first"),
        (dict(frozen_stages=6), "frozen_stages=6"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        AlexNet(**settings)
