"""Matching a batch: each image with its own truth only."""

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


def test_no_proposals_at_all():
    none = Proposals.from_list([torch.zeros(0, 4)] * 2, [torch.zeros(0)] * 2)
    _, targets = two_images()
    kept, matches = match_proposals(none, targets, IoUAssigner(0.5), KeepAll(), K)
    assert len(kept) == len(matches.labels) == 0
    assert len(append_ground_truth(none, targets)) == 1
