"""Costs by hand: arithmetic of single layers and pools, ratios, tables."""

import json

import pytest
import torch
from torch import nn

from cascadekit.commands import run
from cascadekit.cost import ModelCost, PartCost, cost_rows, cost_text, measure_cost
from cascadekit.cost.pooling import counted_pooling, pooling_flops
from cascadekit.cost.tables import base_of
from cascadekit.models.roi_heads import CornerRoIAlign, PSRoIPool, PyramidRoIAlign, RoIPool

BOXES = torch.tensor([[0.0, 0, 32, 64], [16, 16, 48, 32]])  # 2 x 4 and 2 x 1 cells of stride 16


@pytest.mark.parametrize(
    ("pool", "shape", "expected"),
    [
        # 2 rois x 3 channels x 49 bins x 4 samples x 8 operations
        (PyramidRoIAlign(7, sampling_ratio=2), (2, 3, 7, 7), 2 * 3 * 49 * 4 * 8),
        (PyramidRoIAlign(7, sampling_ratio=0), (2, 3, 7, 7), 2 * 3 * 49 * 4 * 8),
        (CornerRoIAlign(7), (2, 3, 7, 7), 2 * 3 * (64 * 8 + 49 * 4)),
        (RoIPool(7, stride=16), (2, 3, 7, 7), (8 + 2) * 3),  # cells read, each channel
        (PSRoIPool(7, stride=16), (2, 5, 7, 7), (8 + 2) * 5),
        (PSRoIPool(7, stride=16, form="align"), (2, 5, 7, 7), 2 * 5 * 49 * 4 * 8),
    ],
)
def test_pooling(pool, shape, expected):
    assert pooling_flops(pool, BOXES, torch.zeros(shape)) == pytest.approx(expected)
    assert pooling_flops(pool, BOXES[:0], torch.zeros(0, *shape[1:])) == 0


def test_every_call_of_a_pool_is_counted():
    model = nn.ModuleDict({"pool": PyramidRoIAlign(2, strides=[4], sampling_ratio=1)})
    maps, index = [torch.zeros(1, 3, 8, 8)], torch.zeros(2).long()
    with counted_pooling(model) as counted:
        model["pool"](maps, BOXES, index)
        model["pool"](maps, BOXES, index)
    assert counted == [2 * 3 * 4 * 8] * 2
    model["pool"](maps, BOXES, index)
    assert len(counted) == 2  # not outside the block


def cost(name, seconds=1.0, parts=("backbone",)):
    split = tuple(PartCost(part, 2.0, seconds / len(parts)) for part in parts)
    return ModelCost(name, (64, 96), 100, 0, 2 * 2**20, split, 4 * seconds, 10.0, 20.0, "cpu", 2)


def test_sums():
    one = cost("x", 3.0, ("a", "b", "c"))
    assert (one.gflops, one.megabytes) == (6.0, 8.0)
    assert one.seconds == pytest.approx(3.0)
    (row,) = cost_rows([one])
    assert row["gflops"] == 6.0 and len(row["parts"]) == 3
    json.dumps(row)


def test_a_cascade_stands_beside_its_base():
    costs = [cost("vgg"), cost("cascade_vgg"), cost("mask"), cost("cascade_mask_strategy_d")]
    assert [base_of(c, costs) for c in costs] == [None, costs[0], None, costs[2]]
    assert base_of(costs[1], costs[1:2]) is None  # its base was not measured


def test_tables():
    text = cost_text([cost("vgg", 1.0), cost("cascade_vgg", 1.5, ("backbone", "stage 2"))])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["vgg", "64 x 96", "2.10", "8.00", "2.00", "1.00", "4.00", "10.0", "20.0"] in rows
    ratios = ["beside vgg", "", *"x 1.00,x 1.00,x 2.00,x 1.50,x 1.50,x 1.00,x 1.00".split(",")]
    assert ratios in rows
    assert ["vgg", "1.00 (2)", ""] in rows
    assert ["cascade_vgg", "0.75 (2)", "0.75 (2)"] in rows


@pytest.fixture
def config(monkeypatch, tmp_path):
    """The tiny config of the tests, read like any other."""
    from pathlib import Path

    from cascadekit.apis import load_config

    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path))
    return load_config(Path(__file__).parents[1] / "tiny.py")


def test_a_model(config):
    measured = measure_cost(config, "tiny", (64, 64), proposals=20, detections=5, repeats=1)
    names = [part.name for part in measured.parts]
    assert names == [
        *("backbone and neck", "proposals", "stage 1", "stage 2", "ensemble"),
        *("choice of detections", "masks"),
    ]
    by_name = {part.name: part for part in measured.parts}
    # A head: fc 8 * 4 * 4 -> 16 -> 16, classes 16 -> 7, box 16 -> 4; 4 samples in each of 16
    # bins.
    head = 20 * (2 * (128 * 16 + 16 * 16 + 16 * 7 + 16 * 4) + 8 * 16 * 4 * 8)
    assert by_name["stage 1"].gflops * 1e9 == pytest.approx(head)
    assert by_name["stage 2"].gflops == pytest.approx(by_name["stage 1"].gflops)
    # The first head again on the last rois; their pooled features are there already.
    again = 20 * 2 * (128 * 16 + 16 * 16 + 16 * 7 + 16 * 4)
    assert by_name["ensemble"].gflops * 1e9 == pytest.approx(again)
    assert measured.size == (64, 64) and measured.detections == 5
    assert measured.step_seconds > 0 and measured.step_mb >= measured.predict_mb >= 0


def test_proposals_alone_are_refused(config):
    config.model.roi_head = None
    with pytest.raises(ValueError, match="tiny: the model has no roi_head"):
        measure_cost(config, "tiny")


@pytest.mark.slow
def test_command(tmp_path, capsys):
    folder = __file__.rsplit("/tests/", 1)[0] + "/configs/shapes"
    files = [f"{folder}/mask_shapes.py", f"{folder}/cascade_mask_shapes.py"]
    options = ["--size", "64", "64", "--repeats", "1", "--proposals", "20", "--detections", "3"]
    out = tmp_path / "cost.json"
    assert run("cost", [*files, *options, "--json", str(out)], "") == 0
    rows = json.loads(out.read_text())
    assert [row["name"] for row in rows] == ["mask_shapes", "cascade_mask_shapes"]
    assert rows[1]["gflops"] > rows[0]["gflops"]
    assert "beside mask_shapes" in capsys.readouterr().out
