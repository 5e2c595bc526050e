"""Which anchors may be used, by hand; samples of each group."""

import pytest
import torch

from cascadekit.models.proposals.anchor_sampling import (
    assign_anchors,
    cells_inside,
    inside,
    sample_anchors,
)
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE, Assignment, IoUAssigner
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.models.targets.centre_match import CentreMatchAssigner
from cascadekit.models.targets.sampler import RandomSampler
from cascadekit.structures.samples import ImageInfo, Targets

INFO = ImageInfo((60, 100), (60, 100))
CODER = DeltaCoder(stds=(1.0, 1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("box", "border", "share"),
    [
        ((0, 0, 40, 20), True, True),  # inside
        ((-1, 0, 39, 20), False, True),
        ((-10, 0, 30, 20), False, True),  # exactly a quarter of its width
        ((-10.5, 0, 29.5, 20), False, False),
        ((0, -5, 40, 15), False, True),  # a quarter of its height
        ((0, -6, 40, 14), False, False),
        ((60, 0, 99, 20), True, True),
        ((60, 0, 100, 20), False, True),  # reaches the border
        ((70, 0, 109, 20), False, True),  # 9 of 39
        ((70, 0, 110, 20), False, False),  # the limit itself is out on this side
        ((0, 44, 40, 64), False, True),  # 4 of 20 below
        ((0, 45, 40, 65), False, False),
    ],
)
def test_inside(box, border, share):
    anchors = torch.tensor([box], dtype=torch.float32)
    assert inside(anchors, INFO, 0, None).item() == border
    assert inside(anchors, INFO, 0, 0.25).item() == share
    assert inside(anchors, INFO, -1, None).item() and inside(anchors, INFO, None, None).item()


def test_inside_of_no_anchors():
    nothing = torch.zeros(0, 4)
    for border, share in ((0, None), (-1, None), (0, 0.25)):
        assert inside(nothing, INFO, border, share).shape == (0,)


@pytest.mark.parametrize(
    ("size", "fine", "coarse"),
    [
        ((32, 48), [1, 1, 1, 1, 1, 1], [1, 1]),  # all of the map
        ((32, 40), [1, 1, 1, 1, 1, 1], [1, 1]),  # the last column begins at 32
        ((32, 32), [1, 1, 0, 1, 1, 0], [1, 0]),  # a cell that begins at the border is outside
        ((16, 17), [1, 1, 0, 0, 0, 0], [1, 0]),
        ((1, 1), [1, 0, 0, 0, 0, 0], [1, 0]),
    ],
)
def test_cells_inside(size, fine, coarse):
    """Maps of 2 x 3 and 1 x 2 cells, of stride 16 and 32, with two and one anchors a cell."""
    expected = [cell for cell in fine for _ in range(2)] + coarse
    assert cells_inside([(2, 3), (1, 2)], [16, 32], [2, 1], size).int().tolist() == expected


TRUTH = Targets(torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(1).long(), torch.zeros(0, 4))
ANCHORS = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 4], [30, 30, 40, 40], [50, 50, 60, 60]])


@pytest.mark.parametrize("assigner", [IoUAssigner(0.7, 0.3), CentreMatchAssigner()])
def test_anchors_that_may_not_be_used_are_ignored(assigner):
    def nowhere(rows, points):
        return rows

    usable = torch.tensor([0, 1, 3])
    kind = assign_anchors(assigner, ANCHORS, usable, TRUTH, nowhere).kind
    assert kind.tolist() == [POSITIVE, IGNORED, IGNORED, NEGATIVE]


def test_each_group_has_its_own_sample():
    kind = torch.tensor([POSITIVE] * 3 + [NEGATIVE] * 7 + [NEGATIVE] * 5 + [POSITIVE] * 10)
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(25, 1)
    boxes[:, 2] += torch.arange(25)
    assigned = Assignment(kind, torch.zeros(25).long(), torch.zeros(25))
    sampler = RandomSampler(8, 0.5)
    samples = sample_anchors(boxes, assigned, TRUTH, [10, 5, 10], sampler, CODER)
    assert [len(s.rows) for s in samples] == [8, 5, 4]
    assert [len(s.positives) for s in samples] == [3, 0, 4]
    assert samples[0].labels.tolist() == [1] * 3 + [0] * 5
    assert samples[2].rows.max() < 10  # counted from the start of the group
    width = 10 + 15 + samples[2].positives  # of the third group's anchors
    torch.testing.assert_close(samples[2].deltas[:, 2], (10 / width).log())
    (together,) = sample_anchors(boxes, assigned, TRUTH, [25], sampler, CODER)
    assert len(together.rows) == 8 and len(together.positives) == 4


def test_no_objects():
    assigned = Assignment(torch.full((4,), NEGATIVE), torch.zeros(4).long(), torch.zeros(4))
    nothing = Targets(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0, 4))
    (sample,) = sample_anchors(ANCHORS, assigned, nothing, [4], RandomSampler(8, 0.5), CODER)
    assert len(sample.rows) == 4 and sample.labels.sum() == 0
    assert sample.positives.shape == (0,) and sample.deltas.shape == (0, 4)
