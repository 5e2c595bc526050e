"""Loading recognises whose names a file has, says so, and refuses what does not fit."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from cascadekit.checkpoints import (
    dialects,
    load_backbone,
    load_weights,
    read_state,
    read_trained,
    safe_runner_loading,
    save_weights,
)
from cascadekit.checkpoints.dialects import classes_in, in_our_names, translate, weights_in
from cascadekit.errors import InputError

# One name of each framework, and ours for it.
NAMES = {
    "Detectron (Caffe2)": ("conv1_w", "backbone.conv1.weight"),
    "detectron2": ("backbone.bottom_up.stem.conv1.weight", "backbone.conv1.weight"),
    "torchvision": ("backbone.body.conv1.weight", "backbone.conv1.weight"),
    "mmdetection": ("roi_head.bbox_head.fc_cls.weight", "roi_head.bbox_head.0.fc_cls.weight"),
    "cascadekit": ("roi_head.bbox_head.0.fc_cls.weight",) * 2,
}


class Nested(nn.Module):
    """A model with one weight of a given name."""

    def __init__(self, name: str):
        super().__init__()
        *parts, last = name.split(".")
        owner = self
        for part in parts:
            owner.add_module(part, nn.Module())
            owner = getattr(owner, part)
        owner.register_parameter(last, nn.Parameter(torch.zeros(2, 3)))


def value_of(model: nn.Module) -> torch.Tensor:
    return next(iter(model.state_dict().values()))


@pytest.mark.parametrize("dialect", NAMES)
def test_whose_names(dialect):
    theirs, ours = NAMES[dialect]
    found = translate({theirs: torch.ones(2, 3)})
    assert found.dialect == dialect and list(found.weights) == [ours]


def test_names_of_nobody_pass_as_they_are():
    """Another project's model, an ImageNet classifier, a single layer."""
    for names in (["weight"], ["layer1.0.conv1.weight", "fc.weight"], ["features.0.weight"]):
        state = {name: torch.ones(1) for name in names}
        found = translate(state)
        assert not found.is_foreign and found.weights == state


def test_an_epsilon_for_others_than_torchvision():
    with pytest.raises(InputError, match="differ in torchvision only"):
        translate({"conv1_w": torch.ones(1)}, norm_eps=0.0)


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("place", [None, "state_dict", "model", "blobs"])
@pytest.mark.parametrize("suffix", [".pkl", ".pth", None])
def test_every_way_to_load(tmp_path, dialect, place, suffix, monkeypatch):
    said = []
    monkeypatch.setattr(dialects, "print_log", lambda text, logger: said.append(text))
    theirs, ours = NAMES[dialect]
    value = torch.arange(6.0).view(2, 3)
    content = {theirs: value.numpy() if suffix == ".pkl" else value}
    content = {place: content} if place else content
    source = content
    if suffix == ".pkl":
        source = tmp_path / "w.pkl"
        source.write_bytes(pickle.dumps(content, 2))
    elif suffix:
        source = save_weights(content, tmp_path / "w.pth")
    expected = torch.cat([value[1:], value[:1]]) if "Caffe2" in dialect and "cls" in ours else value
    model = Nested(ours)
    report = load_weights(model, source)
    assert report.dialect == dialect
    assert torch.equal(value_of(model), expected)
    assert torch.equal(read_state(source)[ours], expected)
    if suffix:
        assert torch.equal(read_trained(source)[0][ours], expected)
        with safe_runner_loading():  # load_from
            read = CheckpointLoader.load_checkpoint(str(source), "cpu")
        read = read if ours in read else next(v for v in read.values() if ours in v)
        assert torch.equal(read[ours], expected)
    assert all(f"{dialect}: 1 of 1 tensors" in text for text in said)
    assert len(said) == (0 if dialect == "cascadekit" else 4 if suffix else 2)


@pytest.mark.parametrize("dialect", [d for d in NAMES if d != "mmdetection" and d != "cascadekit"])
def test_a_backbone(tmp_path, dialect):
    theirs, _ = NAMES[dialect]
    backbone = Nested("conv1.weight")
    report = load_backbone(
        backbone, save_weights({theirs: torch.ones(2, 3)}, tmp_path / "w.safetensors")
    )
    assert report.dialect == dialect
    assert torch.equal(value_of(backbone), torch.ones(2, 3))


def test_keys_without_counterpart_are_unexpected():
    theirs, ours = NAMES["detectron2"]
    state = {theirs: torch.ones(2, 3), "roi_heads.keypoint_head.score.weight": torch.ones(1)}
    model = Nested(ours)
    with pytest.raises(InputError, match=r"1 are unexpected \(roi_heads\.keypoint_head"):
        load_weights(model, state)
    assert value_of(model).sum() == 0
    report = load_weights(model, state, strict=False)
    assert report.unexpected == ("roi_heads.keypoint_head.score.weight",)
    with pytest.raises(InputError, match=r"w\.pth has detectron2's names, 1 of them without"):
        in_our_names(state, "w.pth")  # load_from


def test_a_checkpoint_of_ours_is_handed_on_as_it_is(tmp_path):
    """The optimizer's state and the message hub must survive a resume."""
    content = {
        "state_dict": {"roi_head.bbox_head.0.fc_cls.weight": torch.ones(1)},
        "meta": {"epoch": 1},
        "optimizer": {"state": {}},
    }
    assert in_our_names(content, "w.pth") is content
    meta = {"dataset_meta": {"classes": ("a",)}}
    foreign = {"state_dict": {"conv1_w": torch.ones(1)}, "meta": meta, "optimizer": {}}
    read = in_our_names(foreign, "w.pth")
    assert read["meta"] == meta and list(read) == ["state_dict", "meta"]


@pytest.mark.parametrize("content", [{"meta": {}, "epoch": 3}, {"state_dict": {}}])
def test_no_weights(content):
    with pytest.raises(InputError, match="holds no weights"):
        weights_in(content, "w.pth")


@pytest.mark.parametrize(
    ("value", "shape"),
    [(np.ones((2, 3), np.float16), (2, 3)), (np.float32(2), ()), (np.zeros((0, 4)), (0, 4))],
)
def test_arrays_become_tensors(value, shape):
    tensor = weights_in({"w": value, "x": torch.ones(1)}, "w.pkl")["w"]
    assert tuple(tensor.shape) == shape
    np.testing.assert_array_equal(tensor.numpy(), value)


def test_arrays_that_are_no_weights():
    with pytest.raises(InputError, match=r"w\.pkl: 'names' is an array of <U1"):
        weights_in({"names": np.array(["a"])}, "w.pkl")


@pytest.mark.parametrize(
    ("meta", "classes"),
    [
        ({"dataset_meta": {"classes": ["a", "b"]}}, ("a", "b")),  # mmengine, mmdetection 3.x
        ({"dataset_meta": {"CLASSES": ("a", "b")}}, ("a", "b")),  # 3.0's first releases
        ({"CLASSES": ("a", "b"), "mmdet_version": "2.25.0"}, ("a", "b")),  # 2.x
        ({"CLASSES": "a"}, ("a",)),
        ({"dataset_meta": {}, "epoch": 1}, None),
        ({"dataset_meta": None}, None),
        (None, None),
    ],
)
def test_class_names(meta, classes):
    assert classes_in({"meta": meta}) == classes


def test_class_names_of_a_safetensors_file(tmp_path):
    path = save_weights({"w": torch.ones(1)}, tmp_path / "w.safetensors", {"classes": '["a", "ä"]'})
    assert read_trained(path)[1] == ("a", "ä")


SHAPES = {
    "roi_head.bbox_head.0.fc_cls.weight": (4, 2),
    "roi_head.bbox_head.0.fc_reg.weight": (4, 2),
    "roi_head.bbox_head.1.fc_cls.weight": (4, 2),
    "roi_head.mask_head.0.conv_logits.weight": (3, 2),
    "backbone.bn1.weight": (2,),
}


class Model(nn.Module):
    """Whatever names and shapes."""

    def __init__(self, shapes):
        super().__init__()
        self.shapes = shapes

    def state_dict(self):
        return {name: torch.zeros(shape) for name, shape in self.shapes.items()}


@pytest.mark.parametrize(
    ("model", "file", "match"),
    [
        # class-specific boxes in the file, one box in the model, and the other way round
        (
            SHAPES,
            {**SHAPES, "roi_head.bbox_head.0.fc_reg.weight": (12, 2)},
            r"a box for each class: set model\.roi_head\.bbox_head\.class_agnostic=False",
        ),
        (
            {**SHAPES, "roi_head.bbox_head.0.fc_reg.weight": (12, 2)},
            SHAPES,
            r"one box for all classes: set .*class_agnostic=True",
        ),
        # mmdetection's three mask heads, a cascade in the file, a cascade in the model
        (
            SHAPES,
            {**SHAPES, "roi_head.mask_head.2.conv_logits.weight": (3, 2)},
            r"Only the checkpoint has roi_head\.mask_head\.2: look at .*mask_strategy",
        ),
        (
            SHAPES,
            {**SHAPES, "roi_head.bbox_head.2.fc_cls.weight": (4, 2)},
            r"Only the checkpoint has roi_head\.bbox_head\.2: look at .*stage_ious",
        ),
        (
            {**SHAPES, "roi_head.bbox_head.2.fc_cls.weight": (4, 2)},
            SHAPES,
            r"Only the model has roi_head\.bbox_head\.2",
        ),
        # group norms
        (
            SHAPES,
            {**{k: v for k, v in SHAPES.items() if "bn1" not in k}, "backbone.gn1.weight": (2,)},
            r"other norms: model\.backbone\.norm='GN'",
        ),
    ],
)
def test_what_to_change_in_the_config(model, file, match):
    with pytest.raises(InputError, match=match):
        load_weights(Model(model), Model(file).state_dict())
