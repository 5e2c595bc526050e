"""Level choice by hand; the pooled values are ops' own test."""

import pytest
import torch

from cascadekit.models.roi_heads.roi_pool import PyramidRoIAlign, pool_size


@pytest.mark.parametrize(
    ("width", "height", "level"),
    [
        (1, 1, 0),  # one pixel
        (0, 10, 0),  # empty
        (111, 111, 0),  # below 112
        (112, 112, 1),  # the boundary belongs above, as in FPN equation 1
        (223, 223, 1),
        (224, 224, 2),  # the canonical ImageNet size: level 4 of 2..5
        (448, 448, 3),
        (2000, 2000, 3),  # capped
        (56, 224, 1),  # by area, not by side: sqrt = 112
    ],
)
def test_levels(width, height, level):
    pool = PyramidRoIAlign()
    assert pool.levels(torch.tensor([[5.0, 5.0, 5.0 + width, 5.0 + height]])).item() == level


def test_pool_reads_the_level_of_each_roi():
    pool = PyramidRoIAlign(output_size=2)
    pyramid = [torch.full((2, 1, 512 // s, 512 // s), float(s)) for s in (4, 8, 16, 32, 64)]
    boxes = torch.tensor([[0.0, 0, 50, 50], [0, 0, 150, 150], [0, 0, 500, 500]])
    pooled = pool(pyramid, boxes, torch.tensor([0, 1, 1]))
    assert pooled.shape == (3, 1, 2, 2)
    assert pooled.amax((1, 2, 3)).tolist() == [4, 8, 32]
    assert pool(pyramid, boxes[:0], torch.zeros(0).long()).shape == (0, 1, 2, 2)


def test_a_grid_may_be_higher_than_wide():
    # The map's value is x + 10 y in cells, so a bin's mean is the value at its middle. The box
    # reaches from 1.5 to 9.5 cells in x and to 7.5 in y: bins of 8 / 3 x 1 cells.
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    boxes = torch.tensor([[8.0, 8, 40, 32]])
    tall = PyramidRoIAlign(output_size=(6, 3), strides=[4])
    assert pool_size(tall) == (6, 3)
    pooled = tall([(x + 10 * y)[None, None]], boxes, torch.tensor([0]))
    middle_x, middle_y = 1.5 + (torch.arange(3) + 0.5) * 8 / 3, 2 + torch.arange(6)
    torch.testing.assert_close(pooled[0, 0], middle_x + 10 * middle_y[:, None])


def test_without_the_half_pixel():
    # The map's value is x: a bin's mean is the value at its middle, half a cell further right.
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    boxes, index = torch.tensor([[8.0, 8, 40, 40]]), torch.tensor([0])  # 2 to 10 cells
    for aligned, middles in ((True, [3.5, 7.5]), (False, [4.0, 8.0])):
        pooled = PyramidRoIAlign(output_size=2, strides=[4], aligned=aligned)([ramp], boxes, index)
        assert pooled[0, 0, 0].tolist() == middles
