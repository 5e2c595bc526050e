"""What a detector does on a data set, recorded for the instruments."""

import itertools
import math

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.quality.collect import record_samples, record_stages
from cascadekit.quality.proposal_sets import ProposalSet
from cascadekit.structures.boxes import iou_aligned
from cascadekit.structures.samples import ImageInfo, Targets, make_data_sample

CLASSES = ("a", "b", "c")


def sample_of(number, boxes=(), labels=(), scale=2.0, flipped=False, **flags):
    """A picture of 128 x 192 on disk that the network sees at half its size."""
    box = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    info = ImageInfo((64, 96), (128, 192), number, f"{number}.png", flipped)
    instances = [
        {"bbox": b, "label": k, "area": 50.0, "iscrowd": 0, "ignore": False, **flags}
        for b, k in zip((box * scale).tolist(), labels, strict=True)
    ]
    targets = Targets(box, torch.tensor(labels, dtype=torch.long), box.new_zeros(0, 4))
    return make_data_sample(info, targets, instances)


def batches(*samples):
    """A loader of one picture per batch."""
    torch.manual_seed(1)
    return [{"inputs": [torch.rand(3, 64, 96) * 255], "data_samples": [s]} for s in samples]


TWO = [[8.0, 8, 40, 40], [50, 20, 90, 60]]


@pytest.fixture
def detector(tiny):
    model = tiny(masks=False)
    model.classes = CLASSES
    return model


def test_a_recording(detector):
    loader = batches(sample_of(0, TWO, [0, 2]), sample_of(1))
    detector.train()
    recording = record_stages(detector, loader)
    assert detector.training and not detector.roi_head.all_heads  # as it was
    assert recording.classes == CLASSES
    assert recording.stage_ious == (0.5, 0.6, 0.7)
    assert (recording.final, recording.num_stages, len(recording.images)) == ("1~3", 3, 2)
    first, second = recording.images
    assert set(first.detections) == {"1", "2", "3", "1~2", "1~3"}
    assert first.truth.labels.tolist() == [0, 2] and len(second.truth.labels) == 0
    # Pixels of the file: twice the network's.
    assert first.truth.boxes.tolist() == [[16, 16, 80, 80], [100, 40, 180, 120]]
    assert first.truth.areas.tolist() == [50, 50]  # the data set's, not those of the boxes
    for stage in first.stages:
        assert sorted(stage.logits_by_head) == sorted(stage.boxes_by_head) == [0, 1, 2]
        torch.testing.assert_close(stage.boxes_by_head[stage.head][:, 0], stage.output_boxes)
    for before, after in itertools.pairwise(first.stages):
        assert torch.equal(before.output_boxes, after.input_boxes)
        best = before.logits_by_head[before.head].softmax(1)[:, :-1].amax(1)
        assert torch.equal(after.input_scores, best)


def test_a_recording_agrees_with_predict(detector):
    detector.roi_head.postprocess.score_threshold = 0.0
    loader = batches(sample_of(0, TWO, [0, 2]))
    recording = record_stages(detector, loader, all_heads=False)
    with torch.no_grad():
        data = detector.eval().data_preprocessor(loader[0], False)
        (prediction,) = detector.predict(data["inputs"], data["data_samples"])
    found = recording.images[0].detections[recording.final]
    assert len(found) > 0
    torch.testing.assert_close(found.boxes, prediction.detections.boxes)
    torch.testing.assert_close(found.scores, prediction.detections.scores)


def test_given_proposals(detector):
    """They enter stage 1 as they are; a picture without any has no rois."""
    boxes = torch.tensor([[16.0, 16, 80, 80], [0, 0, 20, 30]])
    given = ProposalSet.from_boxes({0: boxes}, {0: torch.tensor([0.9, 0.3])}, name="by hand")
    loader = batches(sample_of(0, TWO, [0, 2], flipped=True), sample_of(1))
    recording = record_stages(detector, loader, proposals=given)
    assert recording.proposals == "by hand"
    torch.testing.assert_close(recording.images[0].stages[0].input_boxes, boxes)
    assert recording.images[0].stages[0].input_scores.tolist() == pytest.approx([0.9, 0.3])
    assert len(recording.images[1].stages[0].input_boxes) == 0


def test_a_limit(detector):
    loader = batches(*(sample_of(i) for i in range(4)))
    assert len(record_stages(detector, loader, limit=3).images) == 3
    assert record_samples(detector, loader, limit=3).num_images == 3


def test_rivals_record_what_they_have(tiny):
    head = dict(type="cascadekit.BBoxHead", in_channels=8, fc_channels=16)
    integral = tiny(
        masks=False,
        bbox_head=[head, {**head, "regress": False}, {**head, "regress": False}],
        flow=dict(type="cascadekit.StageFlow", rois="shared"),
    )
    iterative = tiny(masks=False, stage_ious=(0.5,), test_iterations=3)
    for model in (integral, iterative):
        model.classes = CLASSES
    one = record_stages(integral, batches(sample_of(0, TWO, [0, 2]))).images[0]
    assert [sorted(s.boxes_by_head) for s in one.stages] == [[0], [0], [0]]  # one regressor
    assert [sorted(s.logits_by_head) for s in one.stages] == [[0, 1, 2]] * 3
    many = record_stages(iterative, batches(sample_of(0, TWO, [0, 2])))
    assert [s.head for s in many.images[0].stages] == [0, 0, 0]
    assert many.stage_ious == (0.5,)


def test_training_samples(detector):
    loader = batches(sample_of(0, TWO, [0, 2]), sample_of(1))
    recording = record_samples(detector, loader)
    again = record_samples(detector, loader)
    assert (recording.num_images, len(recording.stages)) == (2, 3)
    for stage, u, k in zip(recording.stages, (0.5, 0.6, 0.7), (1, 2, 3), strict=True):
        assert (stage.threshold, stage.stage) == (u, k - 1)
        assert torch.equal(stage.positive, stage.ious >= u)
        assert stage.stds == pytest.approx([0.1 / k, 0.1 / k, 0.2 / k, 0.2 / k])
        assert torch.equal(stage.deltas.isnan().any(1), stage.ious == 0)
        # A copy of the truth has nowhere to go.
        assert stage.deltas[stage.from_gt].abs().max() < 1e-6
        assert torch.equal(stage.ious, again.stages[k - 1].ious)  # seeded
    assert recording.stages[0].from_gt.sum() <= 2
    assert recording.stages[1].from_gt.sum() == 2


def test_deltas_are_not_normalised(detector):
    """A roi that lies half its width to the left of its object has dx = 0.5."""
    loader = batches(sample_of(0, [[10.0, 10, 30, 50]], [1]))
    (stage, *_) = record_samples(detector, loader).stages
    near = (stage.ious > 0) & ~stage.from_gt
    assert near.any()
    rois = stage.deltas[near]
    # Recompute IoU from the deltas alone: any roi (0, 0, 1, 1) and its object.
    dx, dy, dw, dh = rois.unbind(1)
    w, h = dw.exp(), dh.exp()
    objects = torch.stack(
        [0.5 + dx - w / 2, 0.5 + dy - h / 2, 0.5 + dx + w / 2, 0.5 + dy + h / 2], 1
    )
    unit = torch.tensor([[0.0, 0, 1, 1]]).expand(len(rois), 4)
    torch.testing.assert_close(iou_aligned(unit, objects), stage.ious[near], atol=1e-3, rtol=1e-3)


def test_what_cannot_be_recorded(tiny, detector):
    proposals_only = tiny()
    proposals_only.roi_head = None
    with pytest.raises(InputError, match="no roi_head"):
        record_stages(proposals_only, batches(sample_of(0)))
    del detector.classes
    with pytest.raises(InputError, match=r"no names of classes: set detector\.classes"):
        record_stages(detector, batches(sample_of(0)))
    detector.classes = CLASSES
    bare = sample_of(0)
    bare.set_metainfo({})
    loader = batches(bare)
    del loader[0]["data_samples"][0].instances
    with pytest.raises(InputError, match="carries no instances"):
        record_stages(detector, loader)


def test_an_ignored_object(detector):
    loader = batches(sample_of(0, TWO, [0, 2], iscrowd=1))
    truth = record_stages(detector, loader).images[0].truth
    assert truth.crowd.tolist() == truth.ignored.tolist() == [True, True]
    assert not math.isnan(float(truth.areas.sum()))
