"""Proposals that came with data samples."""

import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData

from cascadekit.errors import InputError
from cascadekit.structures.given_proposals import stored_proposals
from cascadekit.structures.samples import ImageInfo, Proposals, Targets, make_data_sample


def test_stored_proposals_round_trip():
    info = ImageInfo((64, 96), (64, 96))
    none = torch.zeros(0, 4)
    targets = Targets(none, torch.zeros(0).long(), none)
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [1.0, 1.0, 2.0, 2.0]])
    per_image = [
        Proposals.from_list([boxes], [torch.tensor([0.9, 0.2])]),
        Proposals.from_list([none], [torch.zeros(0)]),  # a picture without proposals
        Proposals.from_list([boxes[:1]], [torch.tensor([0.5])]),
    ]
    samples = [make_data_sample(info, targets, (), p) for p in per_image]
    found = stored_proposals(samples)
    assert torch.equal(found.boxes, torch.cat([boxes, boxes[:1]]))
    assert found.scores.tolist() == pytest.approx([0.9, 0.2, 0.5])
    assert found.image_index.tolist() == [0, 0, 2]
    assert not found.from_gt.any()


def test_stored_proposals_of_a_foreign_sample():
    class Boxes:  # mmdetection wraps its boxes
        tensor = torch.tensor([[1.0, 2.0, 3.0, 4.0]])

        def __len__(self):
            return 1

    sample = BaseDataElement(metainfo={"img_shape": (8, 8)})
    sample.proposals = InstanceData(bboxes=Boxes(), scores=torch.ones(1))
    assert stored_proposals([sample]).boxes.tolist() == [[1, 2, 3, 4]]


def test_sample_without_stored_proposals_is_named(batch):
    with pytest.raises(InputError, match=r"1\.png has no proposals.*LoadProposals"):
        stored_proposals(batch()["data_samples"][1:])
