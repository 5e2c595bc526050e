"""Parts with the same weights and inputs as mmdetection 3.3's, number for number.

Where the two differ on purpose, the test says so and compares what should be equal.
"""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from cascadekit import ops
from cascadekit.models.proposals import AnchorGenerator, RPNHead
from cascadekit.models.targets import DeltaCoder, IoUAssigner, RandomSampler
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE
from cascadekit.models.targets.bbox_coder import MAX_LOG_SCALE
from cascadekit.models.targets.matching import append_ground_truth, match_proposals
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Proposals, Targets

pytestmark = pytest.mark.mmdet

SIZE = (128, 160)  # height, width of the picture
STRIDES = [4, 8, 16, 32, 64]
MAPS = [(32, 40), (16, 20), (8, 10), (4, 5), (2, 3)]


def random_boxes(count: int, smallest: float = 2.0) -> Tensor:
    """(count, 4) xyxy inside the picture, sides from `smallest` to 70 pixels."""
    limit = torch.tensor([SIZE[1], SIZE[0]])
    size = smallest + torch.rand(count, 2) * (70 - smallest)
    corner = torch.rand(count, 2) * (limit - size)
    return torch.cat([corner, corner + size], 1)


def truth(boxes: Tensor, ignored: Tensor | None = None) -> Targets:
    labels = torch.arange(len(boxes)) % 5
    return Targets(boxes, labels, torch.zeros(0, 4) if ignored is None else ignored)


def test_batched_nms_by_class_and_by_level(mmdet, compare):
    # mmcv moves the groups apart and suppresses once; we take group by group on a CPU.
    from mmcv.ops import batched_nms

    boxes, scores, groups = random_boxes(800), torch.rand(800), torch.randint(0, 5, (800,))
    for threshold in (0.3, 0.5, 0.7):
        expected, rows = batched_nms(
            boxes, scores, groups, {"type": "nms", "iou_threshold": threshold}
        )
        got = ops.batched_nms(boxes, scores, groups, threshold)
        assert torch.equal(got, rows)
        compare("batched NMS: boxes", boxes[got], expected[:, :4])


@pytest.mark.parametrize("stds", [(1.0, 1.0, 1.0, 1.0), (0.1, 0.1, 0.2, 0.2)])
def test_delta_coder(mmdet, compare, stds):
    means = (0.01, -0.02, 0.03, 0.1)
    ours = DeltaCoder(means, stds)
    config = {"type": "DeltaXYWHBBoxCoder", "target_means": means, "target_stds": stds}
    theirs = mmdet.task(config)
    boxes, targets = random_boxes(300), random_boxes(300)
    compare("deltas encoded", ours.encode(boxes, targets), theirs.encode(boxes, targets))
    # Both cap dw and dh at log(1000 / 16) from above; mmdet also at minus that from below.
    limit = (MAX_LOG_SCALE - 0.2) / max(stds[2:])
    deltas = (torch.randn(300, 3, 4) * 2).clamp(min=-limit)
    deltas[:20, :, 2:] = 60  # above the cap, for all stds
    expected = theirs.decode(boxes, deltas.flatten(1)).view(300, 3, 4)
    compare("deltas decoded", ours.decode(boxes, deltas), expected)
    clipped = theirs.decode(boxes, deltas.flatten(1), max_shape=SIZE).view(300, 3, 4)
    compare("deltas decoded, clipped", box_ops.clip(ours.decode(boxes, deltas), *SIZE), clipped)


def test_delta_coder_differs_below_the_cap(mmdet):
    row = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    delta = torch.tensor([[0.0, 0.0, -10.0, 0.0]])
    theirs = mmdet.task({"type": "DeltaXYWHBBoxCoder", "target_stds": [1.0] * 4})
    box = theirs.decode(row, delta)
    assert (box[:, 2] - box[:, 0]).item() == pytest.approx(16 * 16 / 1000, rel=1e-3)
    box = DeltaCoder(stds=(1.0,) * 4).decode(row, delta)
    assert (box[:, 2] - box[:, 0]).item() == pytest.approx(16 * math.exp(-10), rel=1e-2)


@pytest.mark.parametrize(
    ("strides", "scales", "ratios", "maps"),
    [
        (STRIDES, [8], [0.5, 1.0, 2.0], MAPS),
        ([8, 16, 32, 64], [4], [0.5, 1.0, 2.0], [(13, 17), (7, 9), (4, 5), (1, 1)]),
        ([16], [2, 4, 8, 16, 32], [0.5, 1.0, 2.0], [(3, 11)]),
        ([4, 8], [1.0, 2.5, 7.3], [0.25, 0.77, 3.0], [(5, 2), (3, 0)]),
    ],
)
def test_anchors(mmdet, compare, strides, scales, ratios, maps):
    settings = {"strides": strides, "scales": scales, "ratios": ratios}
    theirs = mmdet.task({"type": "AnchorGenerator", **settings}).grid_priors(maps, device="cpu")
    ours = AnchorGenerator(**settings).grid_anchors(maps)
    assert [len(level) for level in ours] == [len(level) for level in theirs]
    compare("anchors", torch.cat(ours), torch.cat(theirs))


# name, boxes, ground truth. Grid anchors and whole-pixel objects give many equal IoUs.
def anchor_case(kind: str) -> tuple[Tensor, Tensor]:
    anchors = torch.cat(AnchorGenerator().grid_anchors(MAPS))
    if kind == "random":
        return random_boxes(2000), random_boxes(12, smallest=15)
    if kind == "anchors":
        return anchors, random_boxes(12, smallest=15)
    if kind == "ties":
        # Objects centred between cells: four anchors each are equally good; one object is twice
        # there, and one is so small that no anchor reaches IoU 0.3.
        boxes = [[34, 34, 66, 66], [34, 34, 66, 66], [50, 34, 82, 66], [2, 90, 6, 94]]
        return anchors, torch.tensor(boxes, dtype=torch.float32)
    if kind == "many objects":  # more than our assigner compares at once
        return random_boxes(1500), random_boxes(200, smallest=10)
    if kind == "no object":
        return random_boxes(30), torch.zeros(0, 4)
    return torch.zeros(0, 4), random_boxes(3)  # no box


CASES = ["random", "anchors", "ties", "many objects", "no object", "no box"]


def assert_same_assignment(ours, theirs, compare, rows=slice(None)):
    kind = torch.where(theirs.gt_inds > 0, POSITIVE, theirs.gt_inds)
    assert torch.equal(ours.kind[rows], kind[rows])
    positive = kind == POSITIVE
    assert torch.equal(ours.gt_index[positive], theirs.gt_inds[positive] - 1)
    if len(kind):
        compare("IoU of the assigner", ours.ious[rows], theirs.max_overlaps[rows])


@pytest.mark.parametrize("kind", CASES)
def test_assigner_of_the_rpn(mmdet, compare, kind):
    boxes, objects = anchor_case(kind)
    theirs = mmdet.task(
        {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": 0.7,
            "neg_iou_thr": 0.3,
            "min_pos_iou": 0.3,
            "match_low_quality": True,
            "gt_max_assign_all": True,
        }
    ).assign(InstanceData(priors=boxes), InstanceData(bboxes=objects, labels=truth(objects).labels))
    ours = IoUAssigner(0.7, 0.3, best_match_iou=0.3).assign(boxes, truth(objects))
    assert_same_assignment(ours, theirs, compare)
    if kind in ("random", "anchors", "many objects"):
        assert {POSITIVE, NEGATIVE, IGNORED} == set(ours.kind.tolist())
    if kind == "ties":  # of the pair the later one gets the anchors, and several each
        assert (ours.kind == POSITIVE).sum() > 2
        assert 0 not in ours.gt_index[ours.kind == POSITIVE]


@pytest.mark.parametrize("iou", [0.5, 0.6, 0.7])
@pytest.mark.parametrize("kind", CASES)
def test_assigner_of_the_stages(mmdet, compare, kind, iou):
    boxes, objects = anchor_case(kind)
    settings = {"pos_iou_thr": iou, "neg_iou_thr": iou, "min_pos_iou": iou}
    assigner = {"type": "MaxIoUAssigner", **settings, "match_low_quality": False}
    labels = truth(objects).labels
    theirs = mmdet.task(assigner).assign(
        InstanceData(priors=boxes), InstanceData(bboxes=objects, labels=labels)
    )
    assert_same_assignment(IoUAssigner(iou).assign(boxes, truth(objects)), theirs, compare)
    # Ignore regions: mmdet also leaves out boxes that fit an object; with us those stay positive.
    regions = torch.tensor([[0.0, 0.0, 80.0, 60.0], [100.0, 20.0, 150.0, 120.0]])
    theirs = mmdet.task({**assigner, "ignore_iof_thr": 0.7}).assign(
        InstanceData(priors=boxes),
        InstanceData(bboxes=objects, labels=labels),
        InstanceData(bboxes=regions),
    )
    ours = IoUAssigner(iou, ignore_cover=0.7).assign(boxes, truth(objects, regions))
    if len(objects):  # without objects mmdet ignores nothing
        kept = ours.kind != POSITIVE
        assert torch.equal(ours.kind[kept], theirs.gt_inds[kept].clamp(max=1))


BOX_HEAD = {
    "type": "Shared2FCBBoxHead",
    "in_channels": 4,
    "fc_out_channels": 4,
    "num_classes": 5,
    "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [0.1, 0.1, 0.2, 0.2]},
}


class Given:
    """A sampler that takes the rows another one chose."""

    def __init__(self, *rows: Tensor) -> None:
        self.rows = iter(rows)

    def sample(self, kind: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return next(self.rows)


@pytest.mark.parametrize("fraction", [0.25, 0.02])
def test_targets_of_the_sample(mmdet, compare, fraction):
    """On the rows that mmdet samples: the same labels, objects and deltas."""
    settings = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "match_low_quality": False}
    assigner = mmdet.task({"type": "MaxIoUAssigner", **settings})
    sampler = mmdet.task({"type": "RandomSampler", "num": 256, "pos_fraction": fraction})
    targets, priors, results = [], [], []
    for count in (6, 3, 0):  # the last picture has no object
        objects = random_boxes(count, smallest=15)
        noise = torch.randn(40, count, 4) * 4
        near = (objects + noise).reshape(-1, 4)
        near = near[(near[:, 2:] > near[:, :2]).all(1)]
        boxes = torch.cat([near, random_boxes(400)])
        own = InstanceData(bboxes=objects, labels=truth(objects).labels)
        assigned = assigner.assign(InstanceData(priors=boxes), own)
        results.append(sampler.sample(assigned, InstanceData(priors=boxes), own))
        targets.append(truth(objects))
        priors.append(boxes)
    proposals = Proposals.from_list(priors, [torch.ones(len(boxes)) for boxes in priors])
    head = mmdet.model(BOX_HEAD)
    labels, _, deltas, weights = head.get_targets(results, mmdet.config(pos_weight=-1))

    rows = [torch.cat([result.pos_inds, result.neg_inds]) for result in results]
    with_truth = append_ground_truth(proposals, targets)
    ours, matches = match_proposals(with_truth, targets, IoUAssigner(0.5), Given(*rows), 5)
    assert torch.equal(matches.labels, labels)
    positive = matches.labels < 5
    assert torch.equal(positive, weights[:, 0] > 0)
    compare("sampled boxes", ours.boxes, torch.cat([result.priors for result in results]))
    objects = torch.cat([result.pos_gt_bboxes for result in results])
    compare("objects of the sample", matches.gt_boxes[positive], objects)
    encoded = DeltaCoder().encode(ours.boxes[positive], matches.gt_boxes[positive])
    compare("target deltas", encoded, deltas[positive])

    _, own = match_proposals(with_truth, targets, IoUAssigner(0.5), RandomSampler(256, fraction), 5)
    assert (own.labels < 5).sum() == sum(len(result.pos_inds) for result in results)
    assert len(own.labels) == sum(len(result.priors) for result in results)


def load(ours, theirs):
    """Give our module mmdet's weights; every name must match."""
    ours.load_state_dict(theirs.state_dict(), strict=True)
    ours.eval()
    theirs.eval()  # of a ResNet this returns None
    return ours, theirs


@pytest.fixture
def rpn_pair(mmdet, spread):
    """Our and mmdet's RPN with the same weights, a pyramid of two pictures, their sizes."""
    big_sample = {"num": 10**6, "pos_fraction": 0.5, "add_gt_as_proposals": False}
    theirs = mmdet.model(
        {
            "type": "RPNHead",
            "in_channels": 8,
            "feat_channels": 16,
            "anchor_generator": {
                "type": "AnchorGenerator",
                "scales": [8],
                "ratios": [0.5, 1.0, 2.0],
                "strides": STRIDES,
            },
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [1.0] * 4},
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0},
            "loss_bbox": {"type": "SmoothL1Loss", "beta": 1 / 9, "loss_weight": 1.0},
            "train_cfg": {
                "assigner": {
                    "type": "MaxIoUAssigner",
                    "pos_iou_thr": 0.7,
                    "neg_iou_thr": 0.3,
                    "min_pos_iou": 0.3,
                },
                "sampler": {"type": "RandomSampler", **big_sample},
                "allowed_border": 0,
                "pos_weight": -1,
            },
            "test_cfg": {
                "nms_pre": 300,
                "max_per_img": 250,
                "nms": {"type": "nms", "iou_threshold": 0.7},
                "min_bbox_size": 0,
            },
        }
    )
    pyramid = [torch.randn(2, 8, *shape) for shape in MAPS]
    spread(lambda: theirs(pyramid), {theirs.rpn_cls: 2.0, theirs.rpn_reg: 0.3})
    everything = {"type": "cascadekit.RandomSampler", "num": 10**6, "pos_fraction": 0.5}
    ours = RPNHead(8, 16, sampler=everything, test_proposals=(300, 250))
    ours, theirs = load(ours, theirs)
    return ours, theirs, pyramid, [SIZE, (110, 131)]


def test_proposals(rpn_pair, compare):
    ours, theirs, pyramid, sizes = rpn_pair
    samples = [{"img_shape": size, "pad_shape": SIZE} for size in sizes]
    with torch.no_grad():
        expected = theirs.predict_by_feat(*theirs(pyramid), batch_img_metas=samples)
        got = ours.propose(ours(pyramid), [ImageInfo(size, size) for size in sizes])
    for number, result in enumerate(expected):
        own = got[got.image_index == number]
        assert len(own) == len(result) == 250
        assert (own.scores.diff() <= 0).all()
        compare("RPN proposals: scores", own.scores, result.scores)
        compare("RPN proposals: boxes", own.boxes, result.bboxes)


def test_losses_and_gradients_of_the_rpn(rpn_pair, compare):
    """With all anchors in the sample nothing is random."""
    ours, theirs, pyramid, sizes = rpn_pair
    metas = [{"img_shape": size, "pad_shape": SIZE} for size in sizes]
    targets = [truth(random_boxes(5, smallest=20)), truth(random_boxes(2, smallest=20))]
    # The detector tells mmdet's RPN that all objects are of class 0.
    own = [InstanceData(bboxes=t.boxes, labels=torch.zeros_like(t.labels)) for t in targets]
    expected = theirs.loss_by_feat(*theirs(pyramid), own, metas)
    got = ours.loss(ours(pyramid), [ImageInfo(size, size) for size in sizes], targets)
    compare("RPN classification loss", got["rpn.loss_cls"], sum(expected["loss_rpn_cls"]))
    compare("RPN box loss", got["rpn.loss_bbox"], sum(expected["loss_rpn_bbox"]))
    sum(got.values()).backward()
    sum(sum(losses) for losses in expected.values()).backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        compare(f"RPN gradient of {name}", a.grad, b.grad)


def test_losses_of_the_rpn_without_objects(rpn_pair, compare):
    # mmdet counts at least one positive in the divisor, so that n negatives weigh n / (n + 1).
    ours, theirs, pyramid, sizes = rpn_pair
    metas = [{"img_shape": size, "pad_shape": SIZE} for size in sizes]
    targets = [truth(torch.zeros(0, 4))] * 2
    own = [InstanceData(bboxes=t.boxes, labels=t.labels) for t in targets]
    expected = theirs.loss_by_feat(*theirs(pyramid), own, metas)
    infos = [ImageInfo(size, size) for size in sizes]
    output = ours(pyramid)
    count = sum(int(ours._inside(torch.cat(output.anchors), info).sum()) for info in infos)
    got = ours.loss(output, infos, targets)
    scaled = sum(expected["loss_rpn_cls"]) * (count + 2) / count
    compare("RPN loss without objects", got["rpn.loss_cls"], scaled)
    assert got["rpn.loss_bbox"] == sum(expected["loss_rpn_bbox"]) == 0
