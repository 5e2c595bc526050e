"""The frozen values, and the border to mm-style data samples."""

import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData

from cascadekit.errors import InputError
from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Prediction,
    Proposals,
    Targets,
    attach_predictions,
    image_infos,
    make_data_sample,
    to_targets,
)


def test_to_original_scales_and_unflips():
    info = ImageInfo(size=(50, 100), original_size=(100, 400), flipped=True)
    boxes = torch.tensor([[0.0, 0.0, 10.0, 50.0]])  # network pixels, at the left: right on disk
    assert info.to_original(boxes).tolist() == [[360, 0, 400, 100]]
    assert torch.equal(info.to_network(info.to_original(boxes)), boxes)


def test_to_network_scales_and_flips():
    boxes = torch.tensor([[[0.0, 10.0, 40.0, 100.0]], [[400.0, 0.0, 440.0, 1.0]]])  # (2, 1, 4)
    plain = ImageInfo(size=(50, 100), original_size=(100, 400))
    assert plain.to_network(boxes).tolist() == [[[0, 5, 10, 50]], [[100, 0, 110, 0.5]]]
    flipped = ImageInfo(size=(50, 100), original_size=(100, 400), flipped=True)
    # Outside on the right becomes outside on the left: nothing is clipped.
    assert flipped.to_network(boxes).tolist() == [[[90, 5, 100, 50]], [[-10, 0, 0, 0.5]]]


def test_proposals_from_list_keep_the_image():
    proposals = Proposals.from_list(
        [torch.zeros(2, 4), torch.zeros(0, 4), torch.ones(1, 4)],
        [torch.tensor([0.9, 0.8]), torch.zeros(0), torch.tensor([0.7])],
    )
    assert proposals.image_index.tolist() == [0, 0, 2]
    assert len(proposals[proposals.image_index == 1]) == 0


def test_round_trip_through_a_data_sample(batch):
    sample = batch()["data_samples"][0]
    (targets,) = to_targets([sample])
    assert targets.boxes.tolist() == [[8, 8, 56, 48], [40, 20, 88, 60]]
    assert len(targets.masks) == 2
    (info,) = image_infos([sample])
    assert info == ImageInfo((64, 96), (64, 96), 0, "0.png")


def test_targets_of_a_foreign_sample():
    class Boxes:  # mmdetection wraps its boxes
        tensor = torch.tensor([[1.0, 2.0, 3.0, 4.0]])

        def __len__(self):
            return 1

    sample = BaseDataElement(metainfo={"img_shape": (8, 8)})
    sample.gt_instances = InstanceData(bboxes=Boxes(), labels=torch.tensor([2]))
    (targets,) = to_targets([sample])
    assert targets.boxes.tolist() == [[1, 2, 3, 4]]
    assert targets.ignored_boxes.shape == (0, 4) and targets.masks is None


def test_sample_without_truth_is_named():
    with pytest.raises(InputError, match=r"street\.png has no gt_instances"):
        to_targets([BaseDataElement(metainfo={"img_path": "street.png"})])


def test_regions_and_single_objects_that_are_ignored():
    box = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 9.0, 9.0]])
    none = torch.zeros(0, 4)
    info = ImageInfo((16, 16), (16, 16))
    known = Targets(none, torch.zeros(0).long(), box, None, torch.tensor([True, False]))
    unknown = Targets(none, torch.zeros(0).long(), box)
    found, other = to_targets([make_data_sample(info, t) for t in (known, unknown)])
    assert found.ignored_boxes.tolist() == box.tolist()
    assert found.ignored_regions().tolist() == [[1, 2, 3, 4]]
    assert found.ignored_objects().tolist() == [[5, 5, 9, 9]]
    # Where nobody said, each may be either.
    assert other.is_region is None
    assert other.ignored_regions().tolist() == other.ignored_objects().tolist() == box.tolist()


def test_attach_predictions(batch):
    samples = batch()["data_samples"]
    found = Detections(
        torch.zeros(1, 4), torch.ones(1), torch.zeros(1).long(), torch.zeros(1).long()
    )
    predictions = [Prediction(info, found, ()) for info in image_infos(samples)]
    attached = attach_predictions(samples, predictions)
    assert attached[0].pred_instances.scores.tolist() == [1.0]
    assert attached[1].prediction is predictions[1]


def test_make_data_sample_has_mm_meta_keys(batch):
    meta = batch()["data_samples"][1].metainfo
    assert meta["scale_factor"] == (1.0, 1.0)
    assert {"img_id", "img_path", "img_shape", "ori_shape", "flip", "instances"} <= set(meta)
