"""Two poolings side by side: which boxes, which order, which sizes."""

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.roi_heads.context_pool import ContextPool
from cascadekit.registry import MODELS

MAX = dict(type="cascadekit.RoIPool", output_size=2, stride=4)
ALIGNED = dict(type="cascadekit.PyramidRoIAlign", output_size=2, strides=[4], sampling_ratio=2)


def build(pool, **options):
    return MODELS.build(dict(type="cascadekit.ContextPool", pool=pool, **options))


def test_the_larger_box_by_hand():
    # A map of stride 4 whose pixels are their column numbers. The box covers columns 4 to 8, x 16
    # to 32; enlarged by 4 on each side columns 3 to 9. Maxima of the two halves: the box has
    # columns 4-6 and 6-8 (RoIPool counts the last one in and bins overlap), the larger one
    # columns 3-6 and 6-9.
    columns = torch.arange(16.0).expand(1, 1, 16, 16)
    pooled = build(MAX)([columns], torch.tensor([[16.0, 16, 32, 32]]), torch.tensor([0]))
    assert pooled.shape == (1, 2, 2, 2)
    assert pooled[0, 0].tolist() == [[6, 8], [6, 8]]
    assert pooled[0, 1].tolist() == [[6, 9], [6, 9]]


@pytest.mark.parametrize("pool", [MAX, ALIGNED])
def test_equals_two_poolings(pool):
    maps = [torch.randn(2, 3, 20, 20), torch.randn(2, 3, 10, 10)]
    boxes = torch.tensor([[8.0, 12, 40, 28], [0, 0, 80, 80], [30, 30, 31, 31]])
    index = torch.tensor([1, 0, 1])
    # Width 32, height 16: 8 and 4 on each side; 80: 20; one pixel: a quarter.
    larger = torch.tensor([[0.0, 8, 48, 32], [-20, -20, 100, 100], [29.75, 29.75, 31.25, 31.25]])
    inner = MODELS.build(pool)
    expected = torch.cat([inner(maps, boxes, index), inner(maps, larger, index)], 1)
    torch.testing.assert_close(build(pool)(maps, boxes, index), expected)
    expected = inner(maps, boxes, index).repeat(1, 2, 1, 1)
    torch.testing.assert_close(build(pool, margin=0.0)(maps, boxes, index), expected)


@pytest.mark.parametrize("pool", [MAX, ALIGNED])
def test_grids_that_are_no_squares(pool):
    tall = build({**pool, "output_size": (8, 4)})  # height, width
    assert tuple(tall.output_size) == (8, 4)
    pooled = tall([torch.randn(1, 3, 20, 20)], torch.tensor([[0.0, 0, 20, 40]]), torch.tensor([0]))
    assert pooled.shape == (1, 6, 8, 4)
    assert build(pool).output_size == 2


@pytest.mark.parametrize("pool", [MAX, ALIGNED])
def test_no_rois_stay_in_the_graph(pool):
    features = torch.randn(1, 3, 8, 8, requires_grad=True)
    pooled = build(pool)([features], torch.zeros(0, 4), torch.zeros(0).long())
    assert pooled.shape == (0, 6, 2, 2)
    pooled.sum().backward()
    assert (features.grad == 0).all()


def test_both_halves_teach_the_map():
    features = torch.randn(1, 1, 8, 8, requires_grad=True)
    pooled = build(ALIGNED)([features], torch.tensor([[8.0, 8, 24, 24]]), torch.tensor([0]))
    pooled[:, 1].sum().backward()
    # The surroundings (4, 4, 28, 28) reach cell 1, x 4 to 8, which the box itself does not.
    assert features.grad[0, 0, 1, 4] > 0


def test_a_margin_below_zero():
    with pytest.raises(InputError, match=r"margin=-0\.1"):
        ContextPool(MAX, margin=-0.1)
