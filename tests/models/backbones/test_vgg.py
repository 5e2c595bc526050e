"""VGG against torchvision's, its maps by name, and what is frozen."""

from __future__ import annotations

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.backbones.vgg import VGG
from cascadekit.registry import MODELS

torchvision_models = pytest.importorskip("torchvision.models")


def their_features(depth: int, seed: int = 0):
    """Their convolutions, without the 120 million weights behind them; biases are not 0."""
    torch.manual_seed(seed)
    vgg = torchvision_models.vgg
    letter = {11: "A", 13: "B", 16: "D", 19: "E"}[depth]
    features = vgg.make_layers(vgg.cfgs[letter])
    for parameter in features.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return features


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_maps_equal_torchvision(depth):
    theirs = their_features(depth)
    ours = VGG(depth, out_indices=(0, 1, 2, 3, 4))
    state = {f"features.{k}": v for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state, strict=True)
    x = torch.randn(2, 3, 50, 37)
    with torch.no_grad():
        maps = list(ours(x))
        assert ours.out_channels == tuple(m.shape[1] for m in maps) == (64, 128, 256, 512, 512)
        assert ours.strides == (1, 2, 4, 8, 16)
        for layer in theirs:
            if isinstance(layer, torch.nn.MaxPool2d):
                assert torch.equal(maps.pop(0), x)  # what goes into a pooling is a stage's map
            x = layer(x)
    assert maps == []
    assert x.shape == (2, 512, 1, 1)


def test_maps_of_the_paper_and_of_ms_cnn_by_name():
    theirs = their_features(16)
    model = VGG(out_indices=("conv4_3", "conv5_3"))
    assert model.strides == (8, 16) and model.out_channels == (512, 512)
    model.load_state_dict(
        {f"features.{k}": v for k, v in theirs.state_dict().items() if k[:2] != "30"}
    )
    images = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        conv4_3, conv5_3 = model(images)
        assert conv4_3.shape == (1, 512, 8, 6) and conv5_3.shape == (1, 512, 4, 3)
        assert torch.equal(conv4_3, theirs[:23](images))  # layer 21 and its ReLU
        assert torch.equal(conv5_3, theirs[:30](images))
    assert conv4_3.min() == 0  # after the ReLU
    # A convolution inside a stage, and what follows it does not write over its map.
    inner = VGG(out_indices=("conv4_1", "conv4_2"))
    inner.load_state_dict(
        {k: v for k, v in model.state_dict().items() if int(k.split(".")[1]) < 20}
    )
    with torch.no_grad():
        assert torch.equal(inner(images)[0], theirs[:19](images))


def test_only_what_is_returned_is_built():
    model = VGG(out_indices=("conv4_3",))
    assert len(model.features) == 23
    assert {k.split(".")[1] for k in model.state_dict()} == set("0 2 5 7 10 12 14 17 19 21".split())


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        (-1, set()),
        (0, set()),
        (1, {0, 2}),  # conv1_1, conv1_2
        (2, {0, 2, 5, 7}),  # and conv2: the paper's
        (5, {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28}),
    ],
)
def test_frozen_stages(frozen, expected):
    model = VGG(frozen_stages=frozen)
    fixed = {int(k.split(".")[1]) for k, p in model.named_parameters() if not p.requires_grad}
    assert fixed == expected
    (out,) = model(torch.randn(1, 3, 16, 16))
    if frozen < 5:
        out.sum().backward()
    trained = {int(k.split(".")[1]) for k, p in model.named_parameters() if p.grad is not None}
    assert trained == ({0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28} - expected)


def test_frozen_stages_behind_the_last_map_do_not_matter():
    model = VGG(out_indices=("conv1_2",), frozen_stages=4)
    assert not any(p.requires_grad for p in model.parameters())


def test_imagenet_weights_from_a_file(tmp_path):
    """The classifier is in the file and not in the backbone."""
    theirs = their_features(16, seed=1)
    state = {f"features.{k}": v for k, v in theirs.state_dict().items()}
    state |= {"classifier.0.weight": torch.ones(4, 8), "classifier.0.bias": torch.ones(4)}
    torch.save(state, tmp_path / "vgg16.pth")
    model = MODELS.build({"type": "cascadekit.VGG", "weights": str(tmp_path / "vgg16.pth")})
    assert not torch.equal(model.features[0].weight, theirs[0].weight)
    model.init_weights()
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_least_picture():
    for depth in (11, 16):
        assert VGG(depth)(torch.zeros(1, 3, 16, 16))[0].shape == (1, 512, 1, 1)
    assert VGG(out_indices=("conv1_1",))(torch.zeros(1, 3, 1, 1))[0].shape == (1, 64, 1, 1)
    with pytest.raises(InputError, match=r"VGG: images of 40 x 15 pixels are too small, 16 is"):
        VGG()(torch.zeros(1, 3, 40, 15))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(depth=17), "depth=17 must be one of 11, 13, 16, 19"),
        (dict(out_indices=("conv4_4",)), "'conv4_4'.*Did you mean 'conv4_"),
        (
            dict(depth=11, out_indices=("conv4_3",)),
            "has 'conv4_3': expected 0 to 4, or one of conv1",
        ),
        (dict(out_indices=(5,)), "has 5: expected 0 to 4"),
        (dict(out_indices=()), "at least one"),
        (dict(out_indices=(4, "conv5_3")), "each once, finest first"),  # the same map
        (dict(out_indices=("conv5_3", "conv4_3")), "finest first"),
        (dict(frozen_stages=6), r"frozen_stages=6 must be -1 or 0 \(none\), or up to 5"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        VGG(**settings)
