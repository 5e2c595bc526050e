"""The tables of docs/cost.md are those of the measurements beside it."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from cascadekit.cost import cost_text
from cascadekit.cost.measure import ModelCost, PartCost

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cost.md").read_text(encoding="utf-8")
FILES = sorted((DOCS / "cost").glob("*.json"))
FACTORS = {
    "FPN+, R50": "fpn_plus_r50",
    "FPN+, R101": "fpn_plus_r101",
    "R-FCN, R50": "rfcn_r50",
    "R-FCN, R101": "rfcn_r101",
    "Faster R-CNN, VGG-16": "faster_vgg16",
}


def costs_of(path):
    """The measurements of a file."""
    names = {field.name for field in fields(ModelCost)}
    rows = json.loads(path.read_text(encoding="utf-8"))
    kept = [{key: value for key, value in row.items() if key in names} for row in rows]
    return [
        ModelCost(
            **{
                **row,
                "size": tuple(row["size"]),
                "parts": tuple(PartCost(**part) for part in row["parts"]),
            }
        )
        for row in kept
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_tables(path):
    lines = [line for line in cost_text(costs_of(path)).splitlines() if line.startswith("|")]
    assert len(lines) > 8
    assert [line for line in lines if line.rstrip() not in PAGE] == []


@pytest.mark.parametrize(("label", "base"), FACTORS.items())
def test_the_factors(label, base):
    (path,) = [file for file in FILES if file.stem == "table6"]
    costs = {cost.name: cost for cost in costs_of(path)}
    one, three = costs[base], costs[f"cascade_{base}"]
    (row,) = re.findall(rf"^\| {re.escape(label)} \|(.*)\|$", PAGE, re.M)
    _, test, gflop, _, step = (float(cell.strip(" x")) for cell in row.split("|"))
    assert test == pytest.approx(three.seconds / one.seconds, abs=0.006)
    assert gflop == pytest.approx(three.gflops / one.gflops, abs=0.006)
    assert step == pytest.approx(three.step_seconds / one.step_seconds, abs=0.006)
