"""FPN+ by hand, and against Caffe's deconvolution and loops over pixels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cascadekit.errors import InputError
from cascadekit.models.necks.fpn_plus import FPNPlus, halve
from cascadekit.models.necks.magnify import magnify
from cascadekit.registry import MODELS


def plain(levels):
    """Laterals multiply by 1, outputs are the sums themselves."""
    neck = FPNPlus([1] * levels, out_channels=1)
    for lateral, smooth in zip(neck.lateral_convs, neck.fpn_convs, strict=True):
        torch.nn.init.ones_(lateral.conv.weight)
        torch.nn.init.dirac_(smooth.conv.weight)
    return neck


def test_constant_maps_add_up():
    # Far from the border each level is the sum of all levels: the averages and the doubled maps of
    # a constant are that constant. Powers of ten show that each counts once.
    maps = [torch.full((2, 1, 8 * s, 8 * s), v) for s, v in ((8, 1000.0), (4, 100.0), (2, 10.0))]
    outs = plain(4)([*maps, torch.full((2, 1, 8, 8), 1.0)])
    assert [tuple(out.shape) for out in outs] == [(2, 1, s, s) for s in (64, 32, 16, 8)]
    for out in outs:
        middle = out.shape[2] // 2
        assert out[:, :, middle, middle].flatten().tolist() == [1111.0, 1111.0]


def test_two_levels_by_hand():
    fine = torch.tensor([[[[1.0, 3.0, 5.0, 7.0]]]])  # one row: means of 2 x 1 pixels
    coarse = torch.tensor([[[[10.0, 20.0]]]])
    first, second = plain(2)([fine, coarse])
    assert second.flatten().tolist() == [10 + 2, 20 + 6]
    # Along x: 3/4 of the nearer and 1/4 of the other pixel, 0 beyond the border: 7.5, 12.5, 17.5,
    # 15. Along y the only row counts 3/4, what is beyond 0.
    doubled = [7.5, 12.5, 17.5, 15.0]
    expected = [a + 0.75 * b for a, b in zip((1, 3, 5, 7), doubled, strict=True)]
    assert first.flatten().tolist() == pytest.approx(expected)


def test_the_outermost_pixels_are_dimmed():
    assert magnify(torch.ones(1, 1, 2, 2), (4, 4))[0, 0].tolist() == [
        [0.5625, 0.75, 0.75, 0.5625],
        [0.75, 1, 1, 0.75],
        [0.75, 1, 1, 0.75],
        [0.5625, 0.75, 0.75, 0.5625],
    ]


@pytest.mark.parametrize(
    ("size", "half"),
    [((4, 6), (2, 3)), ((5, 7), (3, 4)), ((5, 7), (2, 3)), ((1, 1), (1, 1)), ((1, 8), (1, 4))],
)
def test_halve_and_double_fit_any_size(size, half):
    fine, coarse = torch.randn(2, 3, *size), torch.randn(2, 3, *half)
    halved = halve(fine, coarse)
    assert halved.shape == coarse.shape
    for y in range(half[0]):  # the mean of what is there
        for x in range(half[1]):
            window = fine[:, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
            torch.testing.assert_close(halved[:, :, y, x], window.mean((2, 3)))
    doubled = magnify(coarse, fine.shape[2:])
    assert doubled.shape == fine.shape
    torch.testing.assert_close(doubled, by_deconvolution(coarse)[..., : size[0], : size[1]])


def by_deconvolution(coarse):
    """Caffe's layer: each channel alone, a fixed 4 x 4 kernel, stride 2, padding 1."""
    slope = torch.tensor([0.25, 0.75, 0.75, 0.25])
    channels = coarse.shape[1]
    kernel = (slope[:, None] * slope[None, :]).expand(channels, 1, 4, 4).to(coarse.dtype)
    # One row and column more than twice as many, for sizes whose halves were rounded down.
    return F.conv_transpose2d(coarse, kernel, None, 2, 1, output_padding=1, groups=channels)


def reference(neck, maps):
    """Every level's sum written out, with no path shared between levels."""
    laterals = [F.conv2d(m, c.conv.weight) for m, c in zip(maps, neck.lateral_convs, strict=True)]
    outs = []
    for level, own in enumerate(laterals):
        total = own.clone()
        for other, value in enumerate(laterals):
            for below in range(other, level):  # up: finer levels
                value = F.avg_pool2d(value, 2, ceil_mode=True)
                value = value[..., : maps[below + 1].shape[2], : maps[below + 1].shape[3]]
            for above in range(other, level, -1):  # down: coarser levels
                value = by_deconvolution(value)
                value = value[..., : maps[above - 1].shape[2], : maps[above - 1].shape[3]]
            total = total if other == level else total + value
        outs.append(F.conv2d(total, neck.fpn_convs[level].conv.weight, padding=1))
    return outs


@pytest.mark.parametrize(
    "sizes",
    [
        [(24, 32), (12, 16), (6, 8), (3, 4)],
        [(25, 31), (13, 16), (7, 8), (4, 4)],  # halves rounded up, as a ResNet's
        [(25, 31), (12, 15), (6, 7), (3, 3)],  # and down
        [(1, 3), (1, 2), (1, 1), (1, 1)],
    ],
)
def test_equals_sums_written_out(sizes):
    torch.manual_seed(0)
    channels = [4, 6, 8, 10]
    neck = FPNPlus(channels, out_channels=5).double()
    maps = [torch.randn(2, c, *s).double() for c, s in zip(channels, sizes, strict=True)]
    for mine, other in zip(neck(maps), reference(neck, maps), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


def test_names_are_those_of_fpn_without_biases():
    neck = MODELS.build(dict(type="cascadekit.FPNPlus", in_channels=[8, 16], out_channels=32))
    state = neck.state_dict()
    assert set(state) == {
        f"{kind}_convs.{level}.conv.weight" for kind in ("lateral", "fpn") for level in (0, 1)
    }
    assert state["lateral_convs.1.conv.weight"].shape == (32, 16, 1, 1)
    assert neck.out_channels == 32
    sum(out.sum() for out in neck([torch.ones(1, 8, 6, 6), torch.ones(1, 16, 3, 3)])).backward()
    assert all(p.grad.abs().sum() > 0 for p in neck.parameters())


def test_faults():
    with pytest.raises(InputError, match="in_channels is empty"):
        FPNPlus([])
    with pytest.raises(ValueError, match="shorter"):
        FPNPlus([8, 16], out_channels=8)([torch.zeros(1, 8, 4, 4)])
