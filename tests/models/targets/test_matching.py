"""Matching a batch: each image with its own truth only."""

import pytest
import torch

from cascadekit.models.targets.assigner import IoUAssigner
from cascadekit.models.targets.matching import append_ground_truth, match_proposals
from cascadekit.models.targets.sampler import KeepAll
from cascadekit.structures.samples import Proposals, Targets

K = 3


def two_images():
    here, there = [[0.0, 0, 10, 10]], [[0.0, 0, 10, 6], [50, 50, 60, 60]]
    proposals = Proposals.from_list(
        [torch.tensor(here), torch.tensor(there)], [torch.ones(1), torch.ones(2)]
    )
    empty = torch.zeros(0, 4)
    targets = [
        Targets(empty, torch.zeros(0).long(), empty),
        Targets(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([2]), empty),
    ]
    return proposals, targets


def test_image_without_objects_gives_background():
    proposals, targets = two_images()
    kept, matches = match_proposals(proposals, targets, IoUAssigner(0.5), KeepAll(), K)
    # The first image's box would fit the second image's object, but is not in it.
    assert matches.labels.tolist() == [K, 2, K]
    assert matches.gt_boxes.tolist()[1] == [0, 0, 10, 10]
    torch.testing.assert_close(matches.ious, torch.tensor([0.0, 0.6, 0.0]))
    assert kept.image_index.tolist() == [0, 1, 1]


def test_ground_truth_is_appended_to_its_image():
    proposals, targets = two_images()
    more = append_ground_truth(proposals, targets)
    assert more.image_index.tolist() == [0, 1, 1, 1]
    assert more.from_gt.tolist() == [False, True, False, False]
    assert more.boxes[1].tolist() == [0, 0, 10, 10]


@pytest.mark.parametrize(("best_match_iou", "expected"), [(None, 1), (0.5, 0), (0.9, 1)])
def test_best_proposal_of_an_object(best_match_iou, expected):
    """It fits the second object better (0.94), which has a better one; the first has none."""
    proposals = Proposals.from_list(
        [torch.tensor([[0.0, 0, 10, 8.5], [0, 0, 10, 8]])], [torch.ones(2)]
    )
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8]])
    targets = [Targets(boxes, torch.tensor([0, 1]), torch.zeros(0, 4))]
    more = append_ground_truth(proposals, targets)
    assigner = IoUAssigner(0.5, best_match_iou=best_match_iou)
    kept, matches = match_proposals(more, targets, assigner, KeepAll(), K)
    own = ~kept.from_gt
    assert matches.labels[own].tolist() == [expected, 1]
    assert matches.labels[~own].tolist() == [0, 1]  # copies of objects are what they are
    torch.testing.assert_close(matches.ious[own], torch.tensor([8 / 8.5, 1.0]))


def test_no_proposals_at_all():
    none = Proposals.from_list([torch.zeros(0, 4)] * 2, [torch.zeros(0)] * 2)
    _, targets = two_images()
    kept, matches = match_proposals(none, targets, IoUAssigner(0.5), KeepAll(), K)
    assert len(kept) == len(matches.labels) == 0
    assert len(append_ground_truth(none, targets)) == 1
