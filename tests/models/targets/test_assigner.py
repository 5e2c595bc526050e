"""Assignments worked out by hand."""

from dataclasses import replace

import pytest
import torch

from cascadekit.models.targets import assigner as module
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE, IoUAssigner
from cascadekit.structures.samples import Targets


def targets(boxes, ignored=()):
    return Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.arange(len(boxes)),
        torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4),
    )


BOXES = torch.tensor(
    [
        [0.0, 0, 10, 10],  # is truth 0: IoU 1
        [0.0, 0, 10, 5],  # half of truth 0: IoU 0.5, exactly the threshold
        [0.0, 0, 10, 4],  # IoU 0.4
        [20.0, 20, 30, 24],  # truth 1 is (20, 20, 30, 30): IoU 0.4
        [50.0, 50, 60, 60],  # nothing near
    ]
)
TRUTH = [[0, 0, 10, 10], [20, 20, 30, 30]]


def test_thresholds_include_their_value():
    assigned = IoUAssigner(0.5).assign(BOXES, targets(TRUTH))
    assert assigned.kind.tolist() == [POSITIVE, POSITIVE, NEGATIVE, NEGATIVE, NEGATIVE]
    assert assigned.gt_index.tolist()[:4] == [0, 0, 0, 1]
    torch.testing.assert_close(assigned.ious, torch.tensor([1.0, 0.5, 0.4, 0.4, 0.0]))


def test_between_the_thresholds_is_ignored():
    kind = IoUAssigner(0.7, 0.45).assign(BOXES, targets(TRUTH)).kind
    assert kind.tolist() == [POSITIVE, IGNORED, NEGATIVE, NEGATIVE, NEGATIVE]


def test_best_box_of_each_truth():
    # Truth 1's best box has IoU 0.4 >= 0.3 and becomes positive.
    kind = IoUAssigner(0.7, 0.3, best_match_iou=0.3).assign(BOXES, targets(TRUTH)).kind
    assert kind.tolist() == [POSITIVE, IGNORED, IGNORED, POSITIVE, NEGATIVE]
    # But not when 0.45 is asked for; boxes that overlap nothing never match.
    kind = IoUAssigner(0.7, 0.3, best_match_iou=0.45).assign(BOXES, targets(TRUTH)).kind
    assert kind.tolist() == [POSITIVE, IGNORED, IGNORED, IGNORED, NEGATIVE]


def test_ignore_regions():
    # Box 4 lies wholly in the region; box 0 does too but is an object, and stays one.
    assigned = IoUAssigner(0.5).assign(BOXES, targets(TRUTH, [[40, 40, 70, 70], [0, 0, 12, 12]]))
    assert assigned.kind.tolist() == [POSITIVE, POSITIVE, IGNORED, NEGATIVE, IGNORED]


# Boxes 0 to 4 as above; what is ignored is the last of the arguments.
@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        # Box 0 and 1 fit truth 0 by 1 and 0.5, the ignored object (0, 0, 10, 8) by 0.8 and 5/8:
        # box 1 is left out. Box 2: 4/8 is the threshold, and more than truth 0's 0.4.
        ([0, 0, 10, 8], [POSITIVE, IGNORED, IGNORED, NEGATIVE, NEGATIVE]),
        # As near as truth 0: the object is learned. Box 2 fits neither, and lies inside.
        ([0, 0, 10, 10], [POSITIVE, POSITIVE, IGNORED, NEGATIVE, NEGATIVE]),
        # Inside box 4, 1/4 of it: too small to fit it.
        ([50, 50, 55, 55], [POSITIVE, POSITIVE, NEGATIVE, NEGATIVE, NEGATIVE]),
        # Box 4 inside, IoU 100 / 144: left out, and covered besides.
        ([50, 50, 62, 62], [POSITIVE, POSITIVE, NEGATIVE, NEGATIVE, IGNORED]),
    ],
)
def test_boxes_that_fit_an_ignored_object_better(ignored, expected):
    own = targets(TRUTH, [ignored])
    assert IoUAssigner(0.5, skip_ignored=True).assign(BOXES, own).kind.tolist() == expected
    # A region fits nothing: what lies inside is left out, if it is no object.
    region = replace(own, is_region=torch.tensor([True]))
    kind = IoUAssigner(0.5, skip_ignored=True).assign(BOXES, region).kind
    assert kind.equal(IoUAssigner(0.5).assign(BOXES, own).kind)
    alone = replace(own, is_region=torch.tensor([False]))
    assert IoUAssigner(0.5, skip_ignored=True).assign(BOXES, alone).kind.tolist() == expected


def test_nothing_ignored_and_no_boxes():
    assigner = IoUAssigner(0.5, skip_ignored=True)
    plain = IoUAssigner(0.5).assign(BOXES, targets(TRUTH)).kind
    assert assigner.assign(BOXES, targets(TRUTH)).kind.equal(plain)
    assert len(assigner.assign(torch.zeros(0, 4), targets(TRUTH, TRUTH)).kind) == 0


def test_best_iou_in_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1)
    found = module.best_iou(BOXES, torch.tensor(TRUTH, dtype=torch.float32))
    torch.testing.assert_close(found, torch.tensor([1.0, 0.5, 0.4, 0.4, 0.0]))
    assert module.best_iou(BOXES, torch.zeros(0, 4)).tolist() == [0.0] * 5


@pytest.mark.parametrize("pos_iou", [0.0, 0.5])
def test_no_truth_makes_all_negative(pos_iou):
    assigned = IoUAssigner(pos_iou).assign(BOXES, targets([]))
    assert (assigned.kind == NEGATIVE).all() or pos_iou == 0.0
    assert (assigned.kind != POSITIVE).all()
    assert assigned.gt_index.tolist() == [0] * 5


def test_no_boxes():
    assigned = IoUAssigner(0.7, 0.3, best_match_iou=0.3).assign(torch.zeros(0, 4), targets(TRUTH))
    assert len(assigned.kind) == len(assigned.ious) == 0


def test_chunks_change_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(200, 4, generator=generator) * 60
    boxes[:, 2:] += boxes[:, :2]
    truth = torch.rand(30, 4, generator=generator) * 60
    truth[:, 2:] += truth[:, :2] + 5
    assigner = IoUAssigner(0.6, 0.3, best_match_iou=0.2)
    whole = assigner.assign(boxes, targets(truth.tolist()))
    monkeypatch.setattr(module, "CHUNK", 7)
    pieces = assigner.assign(boxes, targets(truth.tolist()))
    assert torch.equal(whole.kind, pieces.kind)
    assert torch.equal(whole.gt_index, pieces.gt_index)
    assert torch.equal(whole.ious, pieces.ious)


def test_thresholds_out_of_order():
    with pytest.raises(ValueError, match="neg_iou <= pos_iou"):
        IoUAssigner(0.3, 0.7)


def test_background_has_a_lower_bound():
    """MS-CNN's stage 1 on KITTI: boxes that overlap nothing are no samples."""
    truth = [(0.0, 0.0, 10.0, 10.0)]
    boxes = torch.tensor(
        [
            [0.0, 0, 10, 10],  # IoU 1
            [0, 0, 10, 3],  # 0.3: background
            [0, 0, 10, 1],  # exactly 0.1: background
            [0, 0, 10, 0.9],  # 0.09: too far away
            [50, 50, 60, 60],  # 0
        ]
    )
    assigned = IoUAssigner(0.5, 0.5, neg_iou_low=0.1).assign(boxes, targets(truth))
    assert assigned.kind.tolist() == [POSITIVE, NEGATIVE, NEGATIVE, IGNORED, IGNORED]
    nothing = IoUAssigner(0.5, 0.5, neg_iou_low=0.1).assign(boxes, targets([]))
    assert (nothing.kind == IGNORED).all()


@pytest.mark.parametrize(("rule", "expected"), [("forcing", 1), ("own", 0)])
def test_whose_box_is_the_best_of_another_object(rule, expected):
    """One box: it overlaps the first object more, and is the second's only hope."""
    truth = [(0.0, 0.0, 10.0, 10.0), (8.0, 0.0, 16.0, 10.0)]
    box = torch.tensor([[0.0, 0, 12, 10]])  # IoU 100 / 120 and 40 / 160
    assigner = IoUAssigner(0.9, 0.1, best_match_iou=0.0, forced_gt=rule)
    assigned = assigner.assign(box, targets(truth))
    assert assigned.kind.tolist() == [POSITIVE]
    assert assigned.gt_index.tolist() == [expected]


@pytest.mark.parametrize("faulty", [{"neg_iou_low": 0.6}, {"forced_gt": "best"}])
def test_faults(faulty):
    with pytest.raises(ValueError):
        IoUAssigner(0.5, **faulty)
