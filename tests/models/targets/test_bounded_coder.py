"""Bounds by hand; inside them it is the plain coder."""

import math

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.models.targets.bounded_coder import BoundedDeltaCoder

BOX = torch.tensor([[10.0, 20.0, 14.0, 28.0]])  # 4 x 8 around (12, 24)


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ((0, 0, 0, 0), (10, 20, 14, 28)),
        ((5, -5, 0, 0), (14, 12, 18, 20)),  # one width to the right, one height up
        ((0, 0, 99, 0), (-4, 20, 28, 28)),  # 8 times as wide
        ((0, 0, -99, -99), (11.75, 23.5, 12.25, 24.5)),  # an eighth
        ((0.5, 0, math.log(2), 0), (10, 20, 18, 28)),  # within bounds
    ],
)
def test_by_hand(deltas, expected):
    got = BoundedDeltaCoder().decode(BOX, torch.tensor([deltas], dtype=torch.float32))
    torch.testing.assert_close(got, torch.tensor([expected], dtype=torch.float32))


def test_bounds_are_in_pixels_whatever_the_normalisation():
    coder = BoundedDeltaCoder((0.1, 0, 0, 0.2), (0.1, 0.1, 0.2, 0.2), most_shift=0.5, most_scale=2)
    # Two boxes from one: everything too much; and too far left and too low.
    deltas = torch.tensor([[[50.0, 50.0, 50.0, 50.0], [-50.0, 0.0, 0.0, -50.0]]])
    expected = torch.tensor([[[10.0, 20.0, 18.0, 36.0], [8.0, 22.0, 12.0, 26.0]]])
    torch.testing.assert_close(coder.decode(BOX, deltas), expected)


def test_gradients_pass_the_bounds():
    deltas = torch.tensor([[5.0, -0.5, 9.0, 0.1]], requires_grad=True)
    bounded = BoundedDeltaCoder().bound_straight(deltas)
    torch.testing.assert_close(bounded, torch.tensor([[1.0, -0.5, math.log(8), 0.1]]))
    (bounded**2).sum().backward()
    assert torch.equal(deltas.grad, 2 * bounded.detach())  # not 0 where it was cut


def test_inside_the_bounds_it_is_the_plain_coder():
    torch.manual_seed(0)
    boxes = torch.rand(50, 4) * 20
    boxes[:, 2:] += boxes[:, :2] + 4
    moved = boxes + torch.rand(50, 4) * 2 - 1
    plain = DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
    bounded = BoundedDeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
    deltas = bounded.encode(boxes, moved)
    assert torch.equal(deltas, plain.encode(boxes, moved))
    assert torch.equal(bounded.decode(boxes, deltas), plain.decode(boxes, deltas))
    torch.testing.assert_close(bounded.decode(boxes, deltas), moved)


def test_no_boxes_and_faults():
    coder = BoundedDeltaCoder()
    assert coder.decode(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0, 4)
    for wrong in ({"most_shift": 0}, {"most_scale": 1}):
        with pytest.raises(InputError, match="most_shift > 0 and most_scale > 1"):
            BoundedDeltaCoder(**wrong)
