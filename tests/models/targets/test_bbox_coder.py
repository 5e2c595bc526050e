"""Deltas worked out by hand, and equal to torchvision's coder."""

import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

from cascadekit.models.targets.bbox_coder import DeltaCoder


def row(*numbers):
    return torch.tensor([numbers], dtype=torch.float32)


@pytest.mark.parametrize(
    ("box", "target", "deltas"),
    [
        ((0, 0, 10, 20), (0, 0, 10, 20), (0, 0, 0, 0)),  # already right
        ((0, 0, 10, 20), (1, 0, 11, 20), (0.1, 0, 0, 0)),  # a tenth of the width to the right
        ((0, 0, 10, 20), (0, -2, 10, 18), (0, -0.1, 0, 0)),  # a tenth of the height up
        ((0, 0, 10, 20), (-5, 0, 15, 20), (0, 0, math.log(2), 0)),  # twice as wide
        ((3, 4, 4, 5), (3, 4, 5, 6), (0.5, 0.5, math.log(2), math.log(2))),  # one pixel
    ],
)
def test_by_hand(box, target, deltas):
    coder = DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
    expected = row(*deltas) / torch.tensor([0.1, 0.1, 0.2, 0.2])
    torch.testing.assert_close(coder.encode(row(*box), row(*target)), expected)
    decoded = coder.decode(row(*box), expected)
    torch.testing.assert_close(decoded, row(*target), atol=1e-5, rtol=0)


def test_equals_torchvision():
    generator = torch.Generator().manual_seed(0)
    boxes, targets = torch.rand(2, 30, 4, generator=generator) * 50
    boxes[:, 2:] += boxes[:, :2] + 1
    targets[:, 2:] += targets[:, :2] + 1
    ours, theirs = DeltaCoder(), BoxCoder((10.0, 10.0, 5.0, 5.0))
    (reference,) = theirs.encode([targets], [boxes])
    torch.testing.assert_close(ours.encode(boxes, targets), reference, atol=1e-4, rtol=1e-4)
    deltas = torch.randn(30, 4, generator=generator) * 3
    torch.testing.assert_close(
        ours.decode(boxes, deltas), theirs.decode_single(deltas, boxes), atol=1e-3, rtol=1e-4
    )


def test_growth_is_capped_from_above_only():
    coder = DeltaCoder(stds=(1, 1, 1, 1))
    grown = coder.decode(row(0, 0, 16, 16), row(0, 0, 100, 0))
    assert grown[0, 2] - grown[0, 0] == pytest.approx(1000, rel=1e-4)
    shrunk = coder.decode(row(0, 0, 16, 16), row(0, 0, -10, 0))
    assert shrunk[0, 2] - shrunk[0, 0] == pytest.approx(16 * math.exp(-10), rel=1e-2)


def test_many_boxes_from_each():
    coder = DeltaCoder()
    deltas = torch.zeros(2, 3, 4)
    deltas[1, 2, 0] = 1  # one standard deviation, 0.1 of the width
    decoded = coder.decode(torch.tensor([[0.0, 0, 10, 10], [0, 0, 20, 10]]), deltas)
    assert decoded.shape == (2, 3, 4)
    torch.testing.assert_close(decoded[1, 2], torch.tensor([2.0, 0, 22, 10]))
    torch.testing.assert_close(decoded[1, 1], torch.tensor([0.0, 0, 20, 10]))


def test_nothing_and_faults():
    coder = DeltaCoder()
    assert coder.encode(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0, 4)
    assert coder.decode(torch.zeros(0, 4), torch.zeros(0, 1, 4)).shape == (0, 1, 4)
    with pytest.raises(ValueError, match="2 boxes but 1 deltas"):
        coder.decode(torch.zeros(2, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"boxes are \(2, 4\)"):
        coder.encode(torch.zeros(2, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="positive stds"):
        DeltaCoder(stds=(0.1, 0.1, 0.0, 0.2))
