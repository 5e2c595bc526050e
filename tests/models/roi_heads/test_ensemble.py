"""Scores of several stages, by hand."""

import pytest
import torch

from cascadekit.models.roi_heads.ensemble import StageEnsemble, variant_names, variant_stages
from cascadekit.structures.samples import Proposals, StageOutput


@pytest.mark.parametrize(
    ("name", "expected"), [("1", (0, (0,))), ("3", (2, (2,))), ("1~3", (2, (0, 1, 2)))]
)
def test_variant_names(name, expected):
    assert variant_stages(name) == expected
    assert variant_names(3) == ["1", "2", "3", "1~2", "1~3"]
    assert variant_names(3, alone_only=True) == ["1", "2", "3"]
    assert variant_names(1) == ["1"]


@pytest.mark.parametrize("name", ["", "x", "0", "2~1", "1~"])
def test_variant_faults(name):
    with pytest.raises(ValueError):
        variant_stages(name)


def record(stage, head, logits_by_head):
    """One roi, one class and background."""
    one, boxes = torch.zeros(1), torch.zeros(1, 1, 4)
    proposals = Proposals(boxes[:, 0], one.long(), one, one.bool())
    logits = {h: torch.tensor([row]) for h, row in logits_by_head.items()}
    return StageOutput(stage, head, proposals, None, logits, boxes, {head: boxes}, boxes[:, 0])


# Head 0 says 4 : 1 on its own roi and 1 : 1 on stage 2's, head 1 says 1 : 0 there.
FIRST = record(0, 0, {0: [torch.tensor(4.0).log(), 0.0]})
SECOND = record(1, 1, {0: [0.0, 0.0], 1: [40.0, 0.0]})


@pytest.mark.parametrize(
    ("rois", "average", "expected"),
    [
        ("last", "probabilities", 0.75),  # (1/2 + 1) / 2
        ("own", "probabilities", 0.9),  # (4/5 + 1) / 2
        ("last", "logits", 1.0),  # sigmoid((0 + 40) / 2)
        ("own", "logits", 1.0),
    ],
)
def test_four_rules(rois, average, expected):
    scores = StageEnsemble(rois, average).scores([FIRST, SECOND], "1~2")
    torch.testing.assert_close(scores, torch.tensor([[expected, 1 - expected]]))


def test_one_stage_alone_is_its_softmax():
    for rois in ("last", "own"):
        scores = StageEnsemble(rois).scores([FIRST, SECOND], "1")
        torch.testing.assert_close(scores, torch.tensor([[0.8, 0.2]]))


@pytest.mark.parametrize(
    ("rois", "names", "stage", "expected"),
    [
        ("last", ["1~3"], 2, [0, 1]),  # the others, on the last rois
        ("last", ["1~3"], 1, []),
        ("last", ["3", "1~2"], 1, [0]),
        ("last", ["3", "1~2"], 2, []),
        ("own", ["1~3"], 2, []),  # nothing to run again
    ],
)
def test_heads_needed(rois, names, stage, expected):
    assert StageEnsemble(rois).heads_needed(stage, names, (0, 1, 2)) == expected


def test_one_head_in_three_passes_is_not_run_twice():
    assert StageEnsemble().heads_needed(2, ["1~3"], (0, 0, 0)) == []


@pytest.mark.parametrize("faulty", [{"rois": "first"}, {"average": "logit"}])
def test_faults(faulty):
    with pytest.raises(ValueError, match="ensemble"):
        StageEnsemble(**faulty)
