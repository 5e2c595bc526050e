"""Tables in three forms, and numbers on their way to json."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from cascadekit.quality.tables import Table, as_json, number

TABLE = Table("AP <by> stage", ("", "AP"), (("stage 1", "40.0"), ("a | b", "-")), ("Small set.",))


def test_text():
    lines = TABLE.text().splitlines()
    assert lines[0] == "AP <by> stage" and lines[-1] == "Small set."
    assert lines[-3].split() == ["stage", "1", "40.0"]


def test_markdown():
    assert TABLE.markdown().splitlines() == [
        "**AP <by> stage**",
        "",
        "|  | AP |",
        "|---|---:|",
        "| stage 1 | 40.0 |",
        "| a \\| b | - |",  # a bar would start a column
        "",
        "Small set.",
    ]


def test_html():
    page = TABLE.html()
    assert "AP &lt;by&gt; stage" in page and "<td>40.0</td>" in page and "<by>" not in page


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1.25,), "1.2"),  # half to even, as Python does
        ((math.nan,), "-"),
        ((0.5, 2), "0.50"),
        ((3.0, 1, True), "+3.0"),
        ((-3.0, 0, True), "-3"),
    ],
)
def test_a_number(arguments, text):
    assert number(*arguments) == text


@dataclass(frozen=True)
class Inner:
    values: np.ndarray
    name: str


@dataclass(frozen=True)
class Outer:
    inner: Inner
    by_stage: dict[int, float]


def test_json():
    value = Outer(Inner(np.array([1.0, np.nan]), "x"), {1: math.inf, 2: 0.5})
    plain = as_json(value)
    assert plain == {
        "inner": {"values": [1.0, None], "name": "x"},
        "by_stage": {"1": None, "2": 0.5},
    }
    json.dumps(plain, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (torch.tensor([1, 2]), [1, 2]),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        ((1, [True, None, "a"]), [1, [True, None, "a"]]),
        ([], []),
    ],
)
def test_json_of(value, plain):
    assert as_json(value) == plain


def test_json_of_a_function():
    with pytest.raises(TypeError, match="function cannot be written as json"):
        as_json(test_json)
