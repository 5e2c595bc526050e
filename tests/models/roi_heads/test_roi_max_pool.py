"""RoIPool by hand, and against loops over cells."""

import math

import pytest
import torch

from cascadekit.models.roi_heads.roi_max_pool import RoIPool
from cascadekit.models.roi_heads.roi_pool import pool_size
from cascadekit.registry import MODELS

FEATURE = torch.arange(48.0).view(1, 1, 6, 8)  # row * 8 + column


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 48, 48), [[9, 11], [25, 27]]),  # cells 0..3 both ways, 2 x 2 of them a bin
        ((16, 16, 16, 16), [[9, 9], [9, 9]]),  # one cell, in all bins
        ((16, 0, 48, 16), [[2, 3], [10, 11]]),  # 2 rows x 3 columns: the middle one in both bins
        ((96, 64, 112, 80), [[38, 39], [46, 47]]),  # the last 2 x 2 cells
        ((7, 7, 8, 8), [[0, 1], [8, 9]]),  # one pixel: 7 / 16 is cell 0 and 8 / 16 is cell 1
        ((500, 500, 600, 600), [[0, 0], [0, 0]]),  # outside
    ],
)
def test_by_hand(box, expected):
    boxes = torch.tensor([box], dtype=torch.float32)
    got = RoIPool(2)([FEATURE], boxes, torch.tensor([0]))
    assert got[0, 0].tolist() == expected


def by_loops(feature, box, stride, height, width):
    def cell(pixels):
        return math.floor(pixels / stride + 0.5)

    x1, y1, x2, y2 = (cell(value) for value in box)
    rows, columns = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
    pooled = torch.zeros(feature.shape[0], height, width)
    for i in range(height):
        for j in range(width):
            top, bottom = y1 + i * rows // height, y1 - (-(i + 1) * rows // height)
            left, right = x1 + j * columns // width, x1 - (-(j + 1) * columns // width)
            part = feature[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            if part.numel():
                pooled[:, i, j] = part.flatten(1).max(1).values
    return pooled


@pytest.mark.parametrize("size", [7, 6, (3, 5)])
def test_equals_loops(size):
    generator = torch.Generator().manual_seed(0)
    pyramid = [torch.zeros(2, 1, 1, 1), torch.randn(2, 4, 20, 30, generator=generator)]
    corner = torch.rand(40, 2, generator=generator) * 300 - 20
    boxes = torch.cat([corner, corner + 2 + torch.rand(40, 2, generator=generator) * 200], 1)
    index = torch.arange(40) % 2
    got = RoIPool(size, stride=16, level=1)(pyramid, boxes, index)
    height, width = (size, size) if isinstance(size, int) else size
    assert got.shape == (40, 4, height, width)
    for mine, box, image in zip(got, boxes.tolist(), index.tolist(), strict=True):
        assert torch.equal(mine, by_loops(pyramid[1][image], box, 16, height, width))


def test_no_rois_and_gradient():
    feature = FEATURE.clone().requires_grad_()
    pool = RoIPool((2, 3))
    nothing = pool([feature], torch.zeros(0, 4), torch.zeros(0).long())
    assert nothing.shape == (0, 1, 2, 3)
    boxes = torch.tensor([[0.0, 0, 32, 16]])
    (nothing.sum() + pool([feature], boxes, torch.tensor([0])).sum()).backward()
    # Rows 0 and 1, columns 0, 1 and 2: a bin each.
    assert feature.grad[0, 0].nonzero().tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


def test_registered():
    built = MODELS.build({"type": "cascadekit.RoIPool", "output_size": 6, "level": 2})
    assert pool_size(built) == 6 and built.level == 2
