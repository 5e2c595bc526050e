"""Corners by hand, and against bilinear interpolation written out."""

import math

import pytest
import torch

from cascadekit.models.roi_heads.corner_roi_align import CornerRoIAlign
from cascadekit.models.roi_heads.roi_pool import PyramidRoIAlign, pool_size
from cascadekit.registry import MODELS

torch.manual_seed(0)
PYRAMID = [torch.randn(2, 3, 64 // s, 96 // s) for s in (4, 8)]


def pool(size=7, strides=(4, 8)):
    return CornerRoIAlign(size, strides)


def test_by_hand():
    # A map of 4 x 4 cells of 4 pixels with the value x + 10 y, x and y in cells. The box covers all
    # of it: corners of 2 x 2 bins at -0.5, 1.5 and 3.5 cells, moved to 0, 1.5 and 3.
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    feature = (x + 10 * y)[None, None]
    got = pool(2, (4,))([feature], torch.tensor([[0.0, 0, 16, 16]]), torch.tensor([0]))
    low, high = 0.75, 2.25  # means of neighbouring corners
    expected = [[low + 10 * low, high + 10 * low], [low + 10 * high, high + 10 * high]]
    torch.testing.assert_close(got[0, 0], torch.tensor(expected))


def bilinear(feature, y, x):
    """(C, H, W) at a point in cells, whose centres are whole numbers; border pixels go on."""
    height, width = feature.shape[1:]
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = math.floor(y), math.floor(x)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = (1 - (x - left)) * feature[:, top, left] + (x - left) * feature[:, top, right]
    lower = (1 - (x - left)) * feature[:, below, left] + (x - left) * feature[:, below, right]
    return (1 - (y - top)) * upper + (y - top) * lower


def reference(pyramid, strides, box, image, height, width):
    """The rule of the released Caffe code for one box inside the picture."""
    x1, y1, x2, y2 = box
    size = math.sqrt((x2 - x1) * (y2 - y1))
    level = min(sum(size >= limit for limit in (112, 224, 448)), len(strides) - 1)
    feature, stride = pyramid[level][image], strides[level]
    corners = torch.zeros(feature.shape[0], height + 1, width + 1)
    for row in range(height + 1):
        for column in range(width + 1):
            y = (y1 + (y2 - y1) * row / height) / stride - 0.5
            x = (x1 + (x2 - x1) * column / width) / stride - 0.5
            corners[:, row, column] = bilinear(feature, y, x)
    halves = corners[:, :-1] + corners[:, 1:]
    return (halves[:, :, :-1] + halves[:, :, 1:]) / 4


@pytest.mark.parametrize("size", [7, 1, (8, 4), [3, 5]])
def test_equals_interpolation_written_out(size):
    generator = torch.Generator().manual_seed(0)
    pyramid = [torch.randn(2, 3, 512 // s, 640 // s, generator=generator) for s in (4, 8, 16, 32)]
    # Whole pixels, so that the sides are exact.
    corner = torch.randint(60, (12, 2), generator=generator).float()
    side = torch.tensor([1.0, 30, 60, 111, 112, 150, 223, 224, 300, 400, 447, 450])
    boxes = torch.cat([corner, corner + side[:, None]], 1)  # each level, and its limits
    index = torch.arange(12) % 2
    strides = (4, 8, 16, 32)
    got = CornerRoIAlign(size, strides)(pyramid, boxes, index)
    height, width = (size, size) if isinstance(size, int) else size
    assert got.shape == (12, 3, height, width)
    for mine, box, image in zip(got, boxes.tolist(), index.tolist(), strict=True):
        other = reference(pyramid, strides, box, image, height, width)
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=2e-5)


def test_levels_are_those_of_the_boxes_themselves():
    """A box of 111 pixels enlarged by half a bin all round is larger than 112."""
    pyramid = [torch.full((1, 1, 512 // s, 512 // s), float(s)) for s in (4, 8, 16, 32)]
    sides = torch.tensor([111.0, 112, 223, 224, 447, 448])
    boxes = torch.stack([sides * 0, sides * 0, sides, sides], 1)
    got = CornerRoIAlign()(pyramid, boxes, torch.zeros(6).long())
    assert got.amax((1, 2, 3)).tolist() == [4, 8, 8, 16, 16, 32]
    other = PyramidRoIAlign()(pyramid, boxes, torch.zeros(6).long())
    torch.testing.assert_close(got, other)


def test_the_whole_picture_reads_no_zeros():
    pyramid = [torch.ones(1, 1, 8, 12)]
    got = pool(7, (4,))(pyramid, torch.tensor([[0.0, 0, 48, 32]]), torch.tensor([0]))
    assert (got == 1).all()


@pytest.mark.parametrize(
    "box",
    [
        (5, 5, 6, 6),  # one pixel
        (5, 5, 5, 9),  # empty
        (-300, -300, -200, -200),  # far outside
    ],
)
def test_odd_boxes_are_finite(box):
    got = pool()(PYRAMID, torch.tensor([box], dtype=torch.float32), torch.tensor([1]))
    assert got.isfinite().all() and got.shape == (1, 3, 7, 7)


def test_no_rois_stay_in_the_graph():
    maps = [level.clone().requires_grad_() for level in PYRAMID]
    got = pool((2, 3))(maps, torch.zeros(0, 4), torch.zeros(0).long())
    assert got.shape == (0, 3, 2, 3)
    got.sum().backward()
    assert all(level.grad.abs().sum() == 0 for level in maps)


def test_gradient_reaches_the_map():
    feature = torch.randn(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    boxes, index = torch.tensor([[3.0, 2, 20, 18]]), torch.tensor([0])
    assert torch.autograd.gradcheck(lambda f: pool(2, (4,))([f], boxes, index), [feature])


def test_registered():
    built = MODELS.build({"type": "cascadekit.CornerRoIAlign", "output_size": (8, 4)})
    assert pool_size(built) == (8, 4)
