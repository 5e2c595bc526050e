"""Pruned fully connected layers: the rule by hand, the network that is left, a detector with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cascadekit.checkpoints import load_checkpoint_file, load_weights
from cascadekit.checkpoints.prune_fc import prune_fc
from cascadekit.commands import run
from cascadekit.errors import InputError
from cascadekit.models.backbones import VGG, AlexNet
from cascadekit.registry import MODELS


def tiny_state(first: int = 0, second: int = 3) -> dict[str, torch.Tensor]:
    """Two channels pooled to 2 x 2, fc6 and fc7 of four units, three classes."""
    fc6 = torch.zeros(4, 8)
    fc6[0, :2] = torch.tensor([3.0, -4.0])  # norm 5: kept
    fc6[1, 4] = -1  # norm 1
    fc6[2, 7] = 2  # norm 2
    fc6[3, 5] = 6  # norm 6: kept
    fc7 = torch.tensor(
        [
            [1.0, 100, 0, -1],  # without the columns of units 1 and 2: norm sqrt(2)
            [2, 0, 0, 0],  # 2: kept
            [0, 0, 50, 0],  # 0
            [0, 0, 0, -3],  # 3: kept
        ]
    )
    return {
        "features.0.weight": torch.ones(5, 3, 1, 1),
        "features.0.bias": torch.ones(5),
        "features.10.weight": torch.full((2, 5, 1, 1), 2.0),  # the last: 10 comes after 2
        "features.10.bias": torch.ones(2),
        "features.2.weight": torch.ones(5, 5, 1, 1),
        f"classifier.{first}.weight": fc6,
        f"classifier.{first}.bias": torch.tensor([0.1, 9.9, 9.9, 0.4]),  # biases do not count
        f"classifier.{second}.weight": fc7,
        f"classifier.{second}.bias": torch.tensor([9.9, 0.2, 9.9, 0.3]),
        "classifier.6.weight": torch.ones(3, 4),
        "classifier.6.bias": torch.ones(3),
    }


@pytest.mark.parametrize(("first", "second"), [(0, 3), (1, 4)])  # VGG's numbers, AlexNet's
def test_by_hand(first, second):
    pruned = prune_fc(tiny_state(first, second), units=2, stages=2)
    assert pruned.fc6.rows.tolist() == [0, 3] and pruned.fc6.of == 4
    assert pruned.fc7.rows.tolist() == [1, 3] and pruned.fc7.of == 4
    assert pruned.fc6.share == pytest.approx((25 + 36) / (25 + 1 + 4 + 36))
    assert pruned.fc7.share == pytest.approx((4 + 9) / (1 + 10000 + 1 + 4 + 2500 + 9))
    assert pruned.roi_size == 2
    state = pruned.state
    for stage in (0, 1):
        head = f"roi_head.bbox_head.{stage}.shared_fcs."
        assert state[head + "0.weight"].tolist() == [
            [3, -4, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 6, 0, 0],
        ]
        assert state[head + "0.bias"].tolist() == pytest.approx([0.1, 0.4])
        assert state[head + "1.weight"].tolist() == [[2, 0], [0, -3]]
        assert state[head + "1.bias"].tolist() == pytest.approx([0.2, 0.3])
    others = {k: v for k, v in state.items() if not k.startswith("roi_head.")}
    assert set(others) == {
        f"backbone.features.{k}" for k in ("0.weight", "0.bias", "2.weight", "10.weight", "10.bias")
    }
    assert torch.equal(others["backbone.features.10.weight"], torch.full((2, 5, 1, 1), 2.0))
    assert len(state) == 5 + 2 * 4


def test_of_equal_units_the_first_stay():
    state = tiny_state()
    state["classifier.0.weight"] = torch.eye(4, 8)
    assert prune_fc(state, units=3, stages=1).fc6.rows.tolist() == [0, 1, 2]


def test_table():
    lines = prune_fc(tiny_state(), units=2, stages=3).table().splitlines()
    assert lines[1].split() == ["fc6", "2", "of", "4", "92.4%"]
    assert lines[2].split() == ["fc7", "2", "of", "4", "0.1%"]
    assert lines[3].endswith("3, each with roi_size=2, num_fcs=2, fc_channels=2")


def test_all_units_are_the_network_itself():
    state = tiny_state()
    pruned = prune_fc(state, units=4, stages=1)
    assert pruned.fc6.share == pruned.fc7.share == 1
    for ours, theirs in (("0", "0"), ("1", "3")):
        for part in ("weight", "bias"):
            got = pruned.state[f"roi_head.bbox_head.0.shared_fcs.{ours}.{part}"]
            assert torch.equal(got, state[f"classifier.{theirs}.{part}"])


def small_alexnet(units: int = 24) -> dict[str, torch.Tensor]:
    """AlexNet's convolutions and a classifier of few units, under torchvision's names."""
    torch.manual_seed(0)
    network = nn.Module()
    network.features = AlexNet(centred=False).features
    network.classifier = nn.Sequential(
        nn.Dropout(),
        nn.Linear(256 * 9, units),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Linear(units, 10),
    )
    return network.state_dict()


def detector_config(units: int, stages: int) -> dict:
    kit = "cascadekit."
    return {
        "type": kit + "CascadeRCNN",
        "num_classes": 3,
        "backbone": {"type": kit + "AlexNet"},
        "rpn_head": {
            "type": kit + "RPNHead",
            "in_channels": 256,
            "feat_channels": 8,
            "anchors": {"type": kit + "AnchorGenerator", "strides": [16], "scales": [4]},
            "sampler": {"type": kit + "RandomSampler", "num": 16, "pos_fraction": 0.5},
            "train_proposals": (50, 20),
            "test_proposals": (50, 20),
        },
        "roi_head": {
            "type": kit + "CascadeRoIHead",
            "box_pool": {"type": kit + "RoIPool", "output_size": 3, "stride": 16},
            "bbox_head": {
                "type": kit + "BBoxHead",
                "in_channels": 256,
                "roi_size": 3,
                "fc_channels": units,
            },
            "stage_ious": (0.5, 0.6, 0.7)[:stages],
            "sampler": {"type": kit + "RandomSampler", "num": 16, "pos_fraction": 0.25},
        },
    }


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("stages", [1, 3])
def test_a_detector_loads_it_and_computes_what_is_left_of_the_network(tmp_path, stages, suffix):
    """Against the whole network whose other fc6 units are silenced."""
    state = small_alexnet()
    torch.save(state, tmp_path / "alexnet.pth")
    out = tmp_path / f"pruned{suffix}"
    arguments = [str(tmp_path / "alexnet.pth"), str(out), "--units", "16", "--stages", str(stages)]
    assert run("prune-fc", arguments, "") == 0

    detector = MODELS.build(detector_config(16, stages)).eval()
    report = load_weights(detector, load_checkpoint_file(out), strict=False)
    assert report.unexpected == report.mismatched == ()
    new = ("rpn_head.", ".fc_cls.", ".fc_reg.")
    assert report.missing and all(any(part in key for part in new) for key in report.missing)

    pruned = prune_fc(state, 16, stages)
    pooled = torch.randn(7, 256, 3, 3)
    silent = torch.ones(24).scatter(0, pruned.fc6.rows, 0).bool()
    with torch.no_grad():
        hidden = (
            pooled.flatten(1) @ state["classifier.1.weight"].T + state["classifier.1.bias"]
        ).relu()
        hidden[:, silent] = 0
        expected = (hidden @ state["classifier.4.weight"].T + state["classifier.4.bias"]).relu()
        for head in detector.roi_head.bbox_head:
            x = pooled.flatten(1)
            for layer in head.shared_fcs:
                x = layer(x).relu()
            torch.testing.assert_close(x, expected[:, pruned.fc7.rows], rtol=1e-4, atol=1e-5)
    assert torch.equal(detector.backbone.features[10].weight, state["features.10.weight"])
    assert len(detector.roi_head.bbox_head) == stages


def test_vgg_numbers_and_names():
    """VGG-16's backbone takes every convolution of the pruned file."""
    backbone = VGG()
    state = {k: v for k, v in backbone.state_dict().items()}
    state |= {
        "classifier.0.weight": torch.randn(6, 512 * 49),
        "classifier.0.bias": torch.zeros(6),
        "classifier.3.weight": torch.randn(6, 6),
        "classifier.3.bias": torch.zeros(6),
    }
    pruned = prune_fc(state, units=3)
    assert pruned.roi_size == 7 and pruned.stages == 3
    features = {k for k in pruned.state if k.startswith("backbone.")}
    assert features == {f"backbone.{k}" for k in backbone.state_dict()}


def test_the_runner_reads_it_as_ours(tmp_path):
    """`load_from` in a config: not taken for another framework's names."""
    from cascadekit.checkpoints.safe_load import load_from_safe_file

    torch.save(small_alexnet(), tmp_path / "alexnet.pth")
    arguments = [str(tmp_path / "alexnet.pth"), str(tmp_path / "out.pth"), "--units", "3"]
    assert run("prune-fc", arguments, "") == 0
    read = load_from_safe_file(str(tmp_path / "out.pth"))
    assert "roi_head.bbox_head.2.shared_fcs.1.bias" in read and "backbone.features.0.weight" in read


def test_what_the_command_prints(tmp_path, capsys):
    torch.save(tiny_state(), tmp_path / "tiny.pth")
    out = str(tmp_path / "deep" / "out.safetensors")
    assert run("prune-fc", [str(tmp_path / "tiny.pth"), out, "--units", "2"], "") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("fc6") and lines[-1] == f"wrote {out}"
    assert run("prune-fc", [str(tmp_path / "tiny.pth"), out, "--units", "5"], "") == 2
    assert "units=5: expected 1 to 4" in capsys.readouterr().err


def without(key: str):
    return {k: v for k, v in tiny_state().items() if k != key}


@pytest.mark.parametrize(
    ("state", "settings", "message"),
    [
        (tiny_state(), dict(units=0), "units=0: expected 1 to 4"),
        (tiny_state(), dict(units=2, stages=0), "stages=0"),
        (without("classifier.3.bias"), dict(units=2), "fc6 and fc7 as the first two"),
        ({"layer1.0.weight": torch.ones(1)}, dict(units=2), "found layer1.0.weight"),
        ({}, dict(units=2), "found nothing"),
        (
            tiny_state() | {"classifier.3.weight": torch.ones(4, 5)},
            dict(units=2),
            r"classifier.3.weight \(4, 5\) does not take the 4 units of classifier.0",
        ),
        (
            tiny_state() | {"classifier.0.weight": torch.ones(4, 9)},
            dict(units=2),
            "fc6 takes 9 numbers, which is no square map of the 2 channels",
        ),
        (
            {k: v for k, v in tiny_state().items() if k.startswith("classifier")},
            dict(units=2),
            "no square map of the 0 channels",
        ),
    ],
)
def test_wrong_input(state, settings, message):
    with pytest.raises(InputError, match=message):
        prune_fc(state, **settings)
