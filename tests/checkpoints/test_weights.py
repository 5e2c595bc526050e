import os
import re

import pytest
import torch
from torch import nn

from cascadekit.checkpoints import (
    load_backbone,
    load_checkpoint_file,
    load_weights,
    read_state,
    save_weights,
)
from cascadekit.checkpoints import weights as weights_module
from cascadekit.errors import InputError


class Head(nn.Module):
    """The class layers of a two-stage detector: 4 features, K classes."""

    def __init__(self, classes: int, agnostic: bool = False):
        super().__init__()
        self.neck = nn.Linear(4, 4)
        self.fc_cls = nn.Linear(4, classes + 1)
        self.fc_reg = nn.Linear(4, 4 if agnostic else 4 * classes)
        self.conv_logits = nn.Conv2d(4, classes, 1)


class Stem(nn.Module):
    """A backbone of one convolution and its norm."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2)


def copy_of(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def assert_untouched(module, before):
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,  # raw
        lambda s: {"state_dict": s, "meta": {}},  # mmengine, mmdetection
        lambda s: {"model": s, "iteration": 1},  # detectron2, torchvision's references
    ],
)
@pytest.mark.parametrize("suffix", [None, ".pth"])
def test_forms_of_a_checkpoint(tmp_path, wrap, suffix):
    source, model = Head(3), Head(3)
    content = wrap(source.state_dict())
    if suffix:
        content = save_weights(content, tmp_path / f"w{suffix}")
    report = load_weights(model, content)
    assert set(report.loaded) == set(model.state_dict())
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())
    assert_untouched(model, copy_of(source))


@pytest.mark.parametrize(
    ("state", "found"),
    [({}, "nothing"), ({"meta": {}, "epoch": 1}, "meta, epoch"), ({"state_dict": {}}, "nothing")],
)
def test_no_weights_inside(state, found):
    with pytest.raises(InputError, match=f"holds no weights: .*found {found}"):
        read_state(state)


@pytest.mark.parametrize(
    ("drop", "agnostic"),
    [
        ((), False),  # all class layers differ
        (("fc_cls", "conv_logits"), False),  # only fc_reg tells
        (("fc_cls", "fc_reg"), True),  # only the mask head tells
    ],
)
def test_other_class_count(drop, agnostic):
    model = Head(3, agnostic)
    state = {
        k: v for k, v in Head(80, agnostic).state_dict().items() if k.split(".")[0] not in drop
    }
    before = copy_of(model)
    with pytest.raises(InputError, match="made for 80 classes, the model has 3"):
        load_weights(model, state, strict=False)
    assert_untouched(model, before)


def test_class_layers_can_start_afresh():
    model, source = Head(3, agnostic=True), Head(80, agnostic=True)
    before = copy_of(model)
    report = load_weights(model, source.state_dict(), skip_mismatched=True)
    names = {"fc_cls.weight", "fc_cls.bias", "conv_logits.weight", "conv_logits.bias"}
    assert set(report.mismatched) == names
    assert torch.equal(model.neck.weight, source.neck.weight)
    assert torch.equal(model.fc_cls.weight, before["fc_cls.weight"])


def test_shapes_are_listed_and_nothing_is_loaded():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
    before = copy_of(model)
    state = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 5)).state_dict()
    with pytest.raises(InputError) as caught:
        load_weights(model, state)
    assert "1.weight (5, 2), model (3, 2)" in str(caught.value)
    assert "classes" not in str(caught.value)  # no class layer among them
    assert_untouched(model, before)


def test_a_value_that_is_no_tensor_is_a_mismatch():
    model = nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"weight list, model \(2, 2\)"):
        load_weights(model, {"weight": [1], "bias": torch.zeros(2)})


@pytest.mark.parametrize(
    ("rename", "match"),
    [
        (lambda k: f"module.{k}", r"Did you mean the same keys without 'module\.'"),  # DDP
        (lambda k: f"_orig_mod.{k}", r"Did you mean the same keys without '_orig_mod\.'"),
        (lambda k: k.replace("fc_cls", "cls_fc"), r"2 keys are missing \(fc_cls\.weight, fc_cls"),
        (lambda k: k.replace("neck", "neckk"), r"Did you mean 'neck\.weight'"),
    ],
)
def test_keys_that_do_not_fit(rename, match):
    model = Head(3)
    before = copy_of(model)
    state = {rename(k): v + 1 for k, v in Head(3).state_dict().items()}
    with pytest.raises(InputError, match=match):
        load_weights(model, state)
    assert_untouched(model, before)


def test_prefix_that_the_checkpoint_lacks():
    model = nn.ModuleDict({"module": Head(3)})
    with pytest.raises(InputError, match=r"same keys with 'module\.' in front"):
        load_weights(model, Head(3).state_dict())


def test_not_strict_reports_and_loads_the_rest():
    model, source = Head(3), Head(3)
    state = source.state_dict()
    state["extra"] = state.pop("neck.bias")
    report = load_weights(model, state, strict=False)
    assert (report.missing, report.unexpected) == (("neck.bias",), ("extra",))
    assert torch.equal(model.fc_cls.weight, source.fc_cls.weight)


def test_not_strict_with_nothing_in_common_is_an_error():
    # A silent no-op here is how people train from scratch without knowing it.
    with pytest.raises(InputError, match="does not fit the model"):
        load_weights(Head(3), {"a": torch.ones(1)}, strict=False)


def test_step_counters_of_old_checkpoints_may_be_missing():
    state = {k: v for k, v in Stem().state_dict().items() if "num_batches" not in k}
    report = load_weights(Stem(), state)
    assert report.missing == ()


def test_backbone_from_file_ignores_the_classifier(tmp_path):
    source, backbone = Stem(), Stem()
    state = {**source.state_dict(), "fc.weight": torch.ones(10, 2), "fc.bias": torch.ones(10)}
    path = save_weights(state, tmp_path / "net.safetensors")
    report = load_backbone(backbone, path)
    assert set(report.unexpected) == {"fc.bias", "fc.weight"}
    assert torch.equal(backbone.conv1.weight, source.conv1.weight)


def test_backbone_out_of_a_detector(tmp_path):
    source, backbone = Stem(), Stem()
    state = {f"backbone.{k}": v for k, v in source.state_dict().items()}
    state["neck.weight"] = torch.ones(1)
    report = load_backbone(backbone, save_weights(state, tmp_path / "d.pth"))
    assert report.unexpected == ()
    assert torch.equal(backbone.conv1.weight, source.conv1.weight)


def test_backbone_with_weights_the_file_lacks(tmp_path):
    backbone = Stem()
    before = copy_of(backbone)
    path = save_weights({"conv1.weight": torch.ones(2, 3, 1, 1)}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"net\.pth: .*4 keys are missing \(bn1\.weight"):
        load_backbone(backbone, path)
    assert_untouched(backbone, before)


def test_backbone_with_weights_that_a_file_may_lack(tmp_path):
    """Named parts of keys only, whole file or nothing for the rest."""
    backbone = Stem()
    before = copy_of(backbone)
    state = {"conv1.weight": torch.ones(2, 3, 1, 1)}
    path = save_weights(state, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"2 keys are missing \(bn1\.running_mean"):
        load_backbone(backbone, path, may_lack=("bn1.weight", ".bias"))
    report = load_backbone(backbone, path, may_lack=("bn1.",))
    assert set(report.missing) == {f"bn1.{n}" for n in ("weight", "bias", *RUNNING)}
    assert_untouched(backbone, {**before, **state})


RUNNING = ("running_mean", "running_var")


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("torchvision://resnet5", "no model 'resnet5'. Did you mean 'resnet50'"),
        ("torchvision://swin_t_", "no model 'swin_t_'"),
        ("torchvision://vit_h_14", "no IMAGENET1K_V1 weights for 'vit_h_14', only IMAGENET1K_SWAG"),
    ],
)
def test_unknown_torchvision_names(source, match):
    with pytest.raises(InputError, match=match):
        load_backbone(Stem(), source)


def test_torchvision_weights_are_the_first_ones(tmp_path, monkeypatch):
    torchvision = pytest.importorskip("torchvision")
    asked = []

    def fetch(url):
        asked.append(url)
        return save_weights(Stem().state_dict(), tmp_path / "r.pth")

    monkeypatch.setattr(weights_module, "download", fetch)
    load_backbone(Stem(), "torchvision://resnet50")
    assert asked == [torchvision.models.ResNet50_Weights.IMAGENET1K_V1.url]
    assert asked != [torchvision.models.ResNet50_Weights.DEFAULT.url]  # V2


def test_offline_says_what_where_and_what_else(tmp_path, monkeypatch):
    def offline(url, dst, hash_prefix=None, progress=True):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(InputError) as caught:
        load_backbone(Stem(), "torchvision://resnet50")
    message = str(caught.value)
    assert re.search(r"https://\S+/resnet50-[0-9a-f]{8}\.pth", message)
    assert str(tmp_path / "checkpoints" / "resnet50-") in message
    assert "--cfg-options model.backbone.weights=None" in message


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_are_readable_as_any_new_file(tmp_path, suffix):
    plain = tmp_path / "plain"
    plain.touch()
    path = save_weights({"w": torch.ones(1)}, tmp_path / f"net{suffix}")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_saved_weights_come_back(tmp_path, suffix):
    base = torch.arange(12.0).view(3, 4)
    state = {
        "whole": base,
        "view": base[1:],  # shares memory with `whole`
        "turned": base.t(),  # not contiguous
        "none": torch.zeros(0, 4),
        "count": torch.tensor(3),
    }
    path = save_weights(state, tmp_path / "deep" / f"w{suffix}")
    read = load_checkpoint_file(path)
    assert set(read) == set(state)
    for key, value in state.items():
        assert torch.equal(read[key], value)
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no part file left


def test_saving_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = save_weights({"w": torch.ones(1)}, tmp_path / "w.pth")

    def full(obj, f):
        f.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(weights_module.torch, "save", full)
    with pytest.raises(InputError, match=r"w\.pth cannot be written: No space"):
        save_weights({"w": torch.zeros(1)}, path)
    monkeypatch.undo()
    assert load_checkpoint_file(path)["w"].tolist() == [1.0]
    assert [p.name for p in tmp_path.iterdir()] == ["w.pth"]


@pytest.mark.parametrize(
    ("name", "state", "match"),
    [
        ("w.ckpt", {"w": torch.ones(1)}, r"\.safetensors, \.pth or \.pt"),
        ("w.safetensors", {"meta": {}}, "'meta' is a dict"),
    ],
)
def test_what_cannot_be_saved(tmp_path, name, state, match):
    with pytest.raises(InputError, match=match):
        save_weights(state, tmp_path / name)
    assert not list(tmp_path.iterdir())
