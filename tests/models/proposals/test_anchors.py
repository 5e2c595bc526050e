"""Anchors worked out by hand."""

import math

import pytest
import torch

from cascadekit.models.proposals.anchors import AnchorGenerator


def test_one_cell_by_hand():
    generator = AnchorGenerator(strides=[4], scales=[8], ratios=[0.5, 1.0, 2.0])
    (level,) = generator.grid_anchors([(1, 1)])
    wide, tall = 32 * math.sqrt(2) / 2, 32 / math.sqrt(2) / 2  # half sides, area 32 * 32
    expected = [
        [-wide, -tall, wide, tall],  # ratio 1/2: half as high as wide
        [-16, -16, 16, 16],
        [-tall, -wide, tall, wide],
    ]
    torch.testing.assert_close(level, torch.tensor(expected))


def test_grid_goes_row_by_row():
    generator = AnchorGenerator(strides=[8, 16], scales=[1], ratios=[1.0])
    first, second = generator.grid_anchors([(2, 3), (1, 1)])
    centres = (first[:, :2] + first[:, 2:]) / 2
    assert centres.tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]
    assert second.tolist() == [[-8, -8, 8, 8]]


def test_empty_map_and_faults():
    generator = AnchorGenerator(strides=[8], scales=[1])
    assert generator.grid_anchors([(0, 5)])[0].shape == (0, 4)
    with pytest.raises(ValueError, match="2 maps but 1 strides"):
        generator.grid_anchors([(1, 1), (1, 1)])
    with pytest.raises(ValueError, match="ratios"):
        AnchorGenerator(ratios=[])
