"""Short forms of the stages' settings."""

import pytest

from cascadekit.models.roi_heads.stage_settings import (
    iou_thresholds,
    per_stage,
    stage_assigners,
    stage_coders,
    stage_samplers,
    stage_weights,
)
from cascadekit.models.targets.sampler import KeepAll, RandomSampler


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (1, (0.5,)),  # Faster R-CNN
        (3, (0.5, 0.6, 0.7)),  # the paper's cascade
        (4, (0.5, 0.6, 0.7, 0.75)),  # Table 4's fourth stage
        ((0.45, 0.65, 0.75), (0.45, 0.65, 0.75)),  # CityPersons, WiderFace
    ],
)
def test_thresholds(stages, expected):
    assert iou_thresholds(stages) == expected


@pytest.mark.parametrize("stages", [0, 5, (), (0.0, 0.5), (0.5, 1.1)])
def test_threshold_faults(stages):
    with pytest.raises(ValueError, match="stage_ious"):
        iou_thresholds(stages)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("decay", (1, 0.5, 0.25)),
        ("avg", (1 / 3,) * 3),
        ("sum", (1, 1, 1)),
        ((1, 2, 3), (1, 2, 3)),
    ],
)
def test_stage_weights(rule, expected):
    assert stage_weights(rule, 3) == pytest.approx(expected)


@pytest.mark.parametrize("rule", ["mean", (1, 2), (1, 0.5, 0)])
def test_stage_weight_faults(rule):
    with pytest.raises(ValueError, match="'decay', 'avg', 'sum' or 3 numbers"):
        stage_weights(rule, 3)


def test_stds_are_divided_by_the_stage():
    stds = [coder.stds for coder in stage_coders((0.1, 0.1, 0.2, 0.2), 3)]
    assert stds[1] == pytest.approx((0.05, 0.05, 0.1, 0.1))
    assert stds[2] == pytest.approx((0.1 / 3, 0.1 / 3, 0.2 / 3, 0.2 / 3))
    rows = [(0.1,) * 4, (0.2,) * 4]
    assert [coder.stds for coder in stage_coders(rows, 2)] == rows


def test_broadcast():
    assert per_stage(5, 3, "x") == [5, 5, 5]
    with pytest.raises(ValueError, match="x: 2 entries for 3 stages"):
        per_stage([1, 2], 3, "x")


def test_assigners():
    first, second = stage_assigners((0.5, 0.6), 0.7, None)
    assert (first.pos_iou, first.neg_iou, first.neg_iou_low) == (0.5, 0.5, 0)
    assert (second.pos_iou, second.neg_iou) == (0.6, 0.6)
    first, second = stage_assigners((0.45, 0.65), 0.7, (0.05, 0.44))
    assert (first.pos_iou, first.neg_iou, first.neg_iou_low) == (0.45, 0.44, 0.05)
    assert (second.pos_iou, second.neg_iou, second.neg_iou_low) == (0.65, 0.65, 0)
    assert first.best_match_iou is None
    assert [a.best_match_iou for a in stage_assigners((0.5, 0.6), 0.7, None, 0.5)] == [0.5, 0.5]


def test_samplers():
    config = {"type": "cascadekit.RandomSampler", "num": 8}
    kinds = [type(sampler) for sampler in stage_samplers(config, "all", 3)]
    assert kinds == [RandomSampler, KeepAll, KeepAll]
    assert [sampler.num for sampler in stage_samplers(config, "same", 3)] == [8, 8, 8]
    other = {"type": "cascadekit.RandomSampler", "num": 4}
    assert [sampler.num for sampler in stage_samplers(config, other, 3)] == [8, 4, 4]
    with pytest.raises(ValueError, match="later_sampler must be 'all', 'same'"):
        stage_samplers(config, "some", 2)
