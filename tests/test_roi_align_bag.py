"""What only the embedding-bag form has: chunks, second thoughts about NaN, exact gradients."""

from __future__ import annotations

import torch

from cascadekit import roi_align_bag
from cascadekit.roi_align_bag import Bins, bag_roi_align

BOXES = torch.tensor([[1.3, 2.1, 17.2, 9.4], [-3.0, 4.4, 6.6, 21.8], [5.5, 5.5, 5.5, 7.0]])
IMAGES, LEVELS = torch.tensor([1, 0, 1]), torch.tensor([0, 1, 0])


def maps(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 2, *size, generator=generator).to(dtype) for size in [(6, 5), (3, 4)]]


def pool(features, boxes=BOXES, bins=Bins((2, 3), 2, True)):  # noqa: B008 (frozen)
    return bag_roi_align(features, boxes.double(), IMAGES, LEVELS, (0.25, 0.125), bins)


def test_gradients_are_those_of_the_values():
    features = [f.requires_grad_() for f in maps(torch.float64)]
    assert torch.autograd.gradcheck(lambda a, b: pool([a, b]), features)


def test_chunks_change_nothing(monkeypatch):
    answers = []
    for look_ups in (10**9, 1):  # all rois at once, one roi at a time
        monkeypatch.setattr(roi_align_bag, "LOOK_UPS_PER_CHUNK", look_ups)
        features = [f.requires_grad_() for f in maps(torch.float64)]
        pooled = pool(features)
        pooled.square().sum().backward()
        answers.append([pooled, *(f.grad for f in features)])
    torch.testing.assert_close(answers[0], answers[1])


def test_coordinates_that_are_no_numbers_read_nothing():
    # After a diverged step; an index made from NaN would read arbitrary memory.
    boxes = BOXES.clone()
    boxes[0, 0], boxes[1, 3] = float("nan"), float("inf")
    pooled = pool(maps(torch.float64), boxes)
    assert pooled[:2].count_nonzero() == 0
    torch.testing.assert_close(pooled[2], pool(maps(torch.float64))[2])


def test_output_is_channels_last():
    assert pool(maps(torch.float64)).is_contiguous(memory_format=torch.channels_last)


def test_gradients_of_many_rois_on_one_pixel_add_up_in_bfloat16():
    # 4000 rois, each passing 0.25 to the only pixel: 1000. Added one by one in bfloat16 the sum
    # stops at 64, where 0.25 is less than half a unit in the last place.
    pixel = torch.zeros(1, 1, 1, 1, dtype=torch.bfloat16, requires_grad=True)
    boxes, zero = torch.tensor([[0.0, 0, 1, 1]]).repeat(4000, 1), torch.zeros(4000).long()
    pooled = bag_roi_align([pixel], boxes, zero, zero, [1.0], Bins((1, 1), 1, True))
    pooled.backward(torch.full_like(pooled, 0.25))
    assert pixel.grad.item() == 1000
