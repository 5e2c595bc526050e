import re

import pytest
import torch

from cascadekit.checkpoints.translation import (
    background_last,
    count_reasons,
    frozen_statistics,
    rule,
    translate_keys,
)
from cascadekit.errors import InputError

RULES = (rule(r"a\.(\d)", r"ours.\1"), rule(r"b(\d)", lambda m: f"ours.{int(m[1]) - 1}"))
IGNORE = ((r".*_momentum", "momentum"),)


def rows(*numbers):
    return torch.tensor([[float(n)] for n in numbers])


def test_every_key_ends_somewhere():
    state = {"a.0": rows(1), "b2": rows(2), "b2_momentum": rows(3), "else": rows(4), "n": 5}
    found = translate_keys("theirs", state, RULES, IGNORE)
    assert found.sources == {"ours.0": "a.0", "ours.1": "b2"}
    assert found.weights["ours.1"] is state["b2"]
    assert found.ignored == {"b2_momentum": "momentum"}
    assert found.unknown == {"else": state["else"], "n": 5}
    assert found.total == len(state)
    assert found.summary() == (
        "theirs: 2 of 5 tensors are ours under other names; 1 ignored (momentum: 1); "
        "2 without counterpart (else, n, ...)"
    )


def test_a_rule_matches_whole_names():
    found = translate_keys("theirs", {"xa.0": rows(1), "a.0x": rows(1)}, RULES)
    assert not found.weights and len(found.unknown) == 2


def test_two_keys_for_one_layer_are_one_error():
    message = "theirs: 'a.1' and 'b2' would both become 'ours.1'"
    with pytest.raises(InputError, match=re.escape(message)):
        translate_keys("theirs", {"a.1": rows(1), "b2": rows(2)}, RULES)


def test_a_mapped_key_without_a_tensor():
    with pytest.raises(InputError, match=r"'a\.1' is a list, expected a tensor"):
        translate_keys("theirs", {"a.1": [1.0]}, RULES)


@pytest.mark.parametrize(
    ("layer", "given", "expected"),
    [
        # K = 2: background, first, second -> first, second, background
        ("fc_cls", (0, 1, 2), (1, 2, 0)),
        ("fc_cls", (0, 1), (1, 0)),  # K = 1
        # a box each: background's four rows go
        ("fc_reg", (0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4, 5, 6, 7, 8)),
        # one box for all: "background" and "object"
        ("fc_reg", (0, 0, 0, 0, 1, 2, 3, 4), (1, 2, 3, 4)),
        ("conv_logits", (0, 1, 2), (1, 2)),
        ("conv_logits", (7,), (7,)),  # one mask for all classes
        ("shared_fcs.0", (0, 1, 2), (0, 1, 2)),
        ("rpn_cls", (0, 1, 2), (0, 1, 2)),
    ],
)
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_the_background_moves(layer, given, expected, part):
    value, wanted = rows(*given), rows(*expected)
    if part == "bias":
        value, wanted = value[:, 0], wanted[:, 0]
    assert torch.equal(background_last(f"roi_head.x.{layer}.{part}", value), wanted)


@pytest.mark.parametrize(
    ("layer", "given"),
    [("fc_cls", (0,)), ("fc_reg", (1, 2, 3, 4)), ("fc_reg", range(9)), ("conv_logits", ())],
)
def test_class_layers_that_hold_no_background(layer, given):
    with pytest.raises(InputError, match=rf"{layer}\.weight: its source has shape"):
        background_last(f"x.{layer}.weight", rows(*given) if given else torch.zeros(0, 1))


def test_statistics_only_for_norms_that_have_none():
    scale = torch.tensor([2.0, 3.0])
    weights = {
        "backbone.bn1.weight": scale,
        "backbone.layer1.0.bn2.weight": scale,
        "backbone.layer1.0.bn2.running_mean": scale,
        "backbone.layer1.0.downsample.1.weight": scale,
        "backbone.layer1.0.downsample.0.weight": torch.zeros(2, 2, 1, 1),
        "backbone.layer1.0.gn1.weight": scale,
    }
    made = frozen_statistics(weights, 0.75)
    assert {k: v.tolist() for k, v in made.items()} == {
        "backbone.bn1.running_mean": [0.0, 0.0],
        "backbone.bn1.running_var": [0.75, 0.75],
        "backbone.layer1.0.downsample.1.running_mean": [0.0, 0.0],
        "backbone.layer1.0.downsample.1.running_var": [0.75, 0.75],
    }


def test_reasons_are_counted():
    assert count_reasons({"a": "x", "b": "y", "c": "y"}) == "y: 2, x: 1"
