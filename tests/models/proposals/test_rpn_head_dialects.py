"""The RPNs of the released Caffe code and of detectron2, against losses written out in loops."""

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cascadekit.errors import InputError
from cascadekit.models.proposals.rpn_head import RPNHead, RPNOutput
from cascadekit.registry import MODELS
from cascadekit.structures.samples import ImageInfo, Targets

MAPS = [(8, 10), (4, 5), (2, 3)]
STRIDES = [4, 8, 16]
SIZES = [[(11, 5.5), (8, 8)], [(22, 11), (16, 16)], [(44, 22), (22, 44), (32, 32), (40, 40)]]
INFOS = [ImageInfo((32, 40), (32, 40)), ImageInfo((28, 36), (28, 36))]
EVERYTHING = {"type": "cascadekit.RandomSampler", "num": 10**6, "pos_fraction": 0.5}
FPN_PLUS = {
    "shared": False,
    "objectness": "softmax",
    "anchors": {
        "type": "cascadekit.AnchorGenerator",
        "strides": STRIDES,
        "sizes": SIZES,
        "center_offset": 0.5,
    },
    "coder": {"type": "cascadekit.BoundedDeltaCoder"},
    "assigner": {"type": "cascadekit.CentreMatchAssigner"},
    "sampler": EVERYTHING,
    "sample_per_level": True,
    "border_share": 0.25,
    "beta": 1.0,
    "box_loss_average": "positives",
    "loss_weight": 0.25,
}


def head(**settings):
    torch.manual_seed(0)
    rpn = RPNHead(in_channels=4, feat_channels=6, **settings)
    for parameter in rpn.parameters():  # initial scores and deltas are all but 0
        torch.nn.init.normal_(parameter, std=0.3)
    return rpn


def pyramid(maps=MAPS, images=2):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(images, 4, *shape, generator=generator) for shape in maps]


def truths(first=((2, 3, 13, 10), (15, 8, 30, 27)), second=((20, 5, 31, 17),)):
    rows = [torch.tensor(boxes, dtype=torch.float32).view(-1, 4) for boxes in (first, second)]
    return [Targets(row, torch.zeros(len(row)).long(), torch.zeros(0, 4)) for row in rows]


def assert_near(ours, theirs):
    assert ours.item() == pytest.approx(theirs, rel=1e-5)


# Objectness


def test_two_outputs_are_softmax_cross_entropy():
    """Loss, and gradient of both outputs, as cross-entropy gives them."""
    anchors = {"type": "cascadekit.AnchorGenerator", "strides": [8], "scales": [2]}
    settings = {"anchors": anchors, "sampler": EVERYTHING, "allowed_border": -1}
    rpn = head(objectness="softmax", **settings)
    maps = pyramid([(4, 5)])
    seen = {}
    rpn.rpn_cls.register_forward_hook(lambda layer, inputs, output: seen.update(raw=output))
    output = rpn(maps)
    seen["raw"].retain_grad()
    loss = rpn.loss(output, INFOS, truths())["rpn.loss_cls"]
    loss.backward()

    raw = seen["raw"].detach().requires_grad_()
    # (B, anchor * (background, object), H, W): the Caffe models' order of channels
    pairs = raw.view(2, 3, 2, 4, 5).permute(0, 3, 4, 1, 2).reshape(2, -1, 2)
    labels = []
    for target in truths():
        kind = rpn.assigner.assign(output.anchors[0], target).kind
        labels.append(torch.where(kind < 0, -100, kind))  # -100: ignored by cross_entropy
    expected = F.cross_entropy(pairs.flatten(0, 1), torch.cat(labels))
    expected.backward()
    assert 1 <= (torch.cat(labels) == 1).sum() < 20
    assert_near(loss, expected.item())
    assert seen["raw"].grad.abs().max() > 1e-4
    torch.testing.assert_close(seen["raw"].grad, raw.grad, rtol=1e-4, atol=1e-8)
    # The score of a proposal is the softmax probability of "object".
    torch.testing.assert_close(output.logits[0].sigmoid(), pairs.softmax(-1)[..., 1])


# A head for each level


def test_one_head_serves_all_levels_or_each_has_its_own():
    shared = head().state_dict()
    kinds = {f"rpn_{kind}.{name}" for kind in ("conv", "cls", "reg") for name in ("weight", "bias")}
    assert set(shared) == kinds
    own = head(**FPN_PLUS).state_dict()
    assert set(own) == {key.replace(".", f".{n}.") for key in kinds for n in range(3)}
    assert [len(own[f"rpn_cls.{n}.bias"]) for n in range(3)] == [4, 4, 8]  # two an anchor
    assert [len(own[f"rpn_reg.{n}.bias"]) for n in range(3)] == [8, 8, 16]


def test_own_heads_are_one_level_heads_side_by_side():
    rpn, maps = head(**FPN_PLUS), pyramid()
    output = rpn(maps)
    for n, level in enumerate(maps):
        settings = copy.deepcopy(FPN_PLUS)
        settings["anchors"].update(strides=STRIDES[n : n + 1], sizes=SIZES[n : n + 1])
        alone = head(**{**settings, "shared": True})
        state = rpn.state_dict()
        keys = alone.state_dict()
        alone.load_state_dict({key: state[key.replace(".", f".{n}.")] for key in keys})
        expected = alone([level])
        for field in ("anchors", "logits", "deltas"):
            assert torch.equal(getattr(output, field)[n], getattr(expected, field)[0])
    assert output.maps == tuple(MAPS)


def test_levels_choose_maps():
    anchors = {"type": "cascadekit.AnchorGenerator", "strides": [8]}
    rpn, maps = head(anchors=anchors, levels=[1]), pyramid()
    assert torch.equal(rpn(maps).logits[0], head(anchors=anchors)(maps[1:]).logits[0])
    first = head(anchors=anchors)(maps)  # None: as many as strides, from the first
    assert len(first.logits) == 1 and first.maps == (MAPS[0],)
    with pytest.raises(ValueError, match="0 maps but 1 strides"):
        head(anchors=anchors, levels=[7])(maps)


# FPN+ of the Caffe code


def caffe_losses(rpn, output, targets, keep=None):
    """Sums over levels: cross-entropy over kept anchors, smooth L1 over positive coordinates."""
    kinds = []
    for info, target in zip(INFOS, targets, strict=True):
        anchors = torch.cat(output.anchors)
        height, width = info.size
        usable = []
        for row, (x1, y1, x2, y2) in enumerate(anchors.tolist()):
            side, up = (x2 - x1) / 4, (y2 - y1) / 4
            if x1 >= -side and y1 >= -up and x2 < width + side and y2 < height + up:
                usable.append(row)
        assigned = rpn.assigner.assign_anchors(
            anchors,
            torch.tensor(usable),
            target,
            lambda rows, points: rpn.anchors.moved_to(rows, points, MAPS),
        )
        kinds.append(assigned)
    cls = bbox = 0.0
    begin = 0
    for anchors, logits, deltas in zip(output.anchors, output.logits, output.deltas, strict=True):
        entropy, smooth = [], []
        for image, target in enumerate(targets):
            for a, (x1, y1, x2, y2) in enumerate(anchors.tolist()):
                kind = kinds[image].kind[begin + a].item()
                if kind < 0:
                    continue
                logit = logits[image, a].item()
                entropy.append(math.log1p(math.exp(-logit if kind else logit)))
                if kind == 0:
                    continue
                box = target.boxes[kinds[image].gt_index[begin + a]].tolist()
                wanted = [
                    ((box[0] + box[2]) - (x1 + x2)) / 2 / (x2 - x1),
                    ((box[1] + box[3]) - (y1 + y2)) / 2 / (y2 - y1),
                    math.log((box[2] - box[0]) / (x2 - x1)),
                    math.log((box[3] - box[1]) / (y2 - y1)),
                ]
                limits = (1, 1, math.log(8), math.log(8))
                given = deltas[image, a].tolist()
                for want, got, limit in zip(wanted, given, limits, strict=True):
                    far = abs(want - max(min(got, limit), -limit))
                    smooth.append(far**2 / 2 if far < 1 else far - 0.5)
        cls += 0.25 * sum(entropy) / max(len(entropy), 1)
        bbox += 0.25 * sum(smooth) / max(len(smooth), 1)
        begin += len(anchors)
    return cls, bbox


def test_losses_of_fpn_plus():
    rpn = head(**FPN_PLUS)
    output = rpn(pyramid())
    assert max(delta.max() for delta in output.deltas) > 1.5  # some are cut
    losses = rpn.loss(output, INFOS, truths())
    cls, bbox = caffe_losses(rpn, output, truths())
    assert cls > 0.1 and bbox > 0.05
    assert_near(losses["rpn.loss_cls"], cls)
    assert_near(losses["rpn.loss_bbox"], bbox)


def test_each_level_is_sampled_alone():
    """64 anchors of each: with enough negatives every level's average has 64 terms."""
    sampler = {"type": "cascadekit.RandomSampler", "num": 8, "pos_fraction": 0.5}
    rpn = head(**{**FPN_PLUS, "sampler": sampler, "border_share": None, "allowed_border": -1})
    logits = [torch.zeros(2, 160), torch.ones(2, 40), torch.full((2, 24), 2.0)]
    anchors = rpn.anchors.grid_anchors(MAPS)
    deltas = [torch.zeros(2, len(level), 4) for level in anchors]
    output = RPNOutput(anchors, logits, deltas, tuple(MAPS))
    losses = rpn.loss(output, INFOS, truths((), ()))
    # No objects: log(1 + e^logit) of each level, a quarter each.
    expected = sum(math.log1p(math.exp(value)) for value in (0, 1, 2)) / 4
    assert_near(losses["rpn.loss_cls"], expected)
    # Sampled together it is one average over 8 anchors of each image, at most 4 of them objects.
    rpn.sample_per_level = False
    together = rpn.loss(output, INFOS, truths((), ()), torch.Generator().manual_seed(0))
    assert not together["rpn.loss_cls"].item() == pytest.approx(expected, rel=1e-3)


# What the box loss is divided by


@pytest.mark.parametrize(
    ("average", "divisor", "objectness"),
    [
        ("sampled", lambda kept, positives: kept, lambda kept: kept),
        ("batch", lambda kept, positives: 2 * 500, lambda kept: 2 * 500),
        ("positives", lambda kept, positives: 4 * positives, lambda kept: kept),
    ],
)
def test_averages(average, divisor, objectness):
    sampler = {"type": "cascadekit.RandomSampler", "num": 500, "pos_fraction": 0.5}
    anchors = {"type": "cascadekit.AnchorGenerator", "strides": [8], "scales": [2]}
    rpn = head(anchors=anchors, sampler=sampler, box_loss_average=average, beta=0.0)
    output = rpn(pyramid([(4, 5)]))
    losses = rpn.loss(output, INFOS, truths())
    kept = positives = 0
    entropy = boxes = 0.0
    for image, (info, target) in enumerate(zip(INFOS, truths(), strict=True)):
        rows = rpn._inside(output.anchors[0], info).nonzero()[:, 0]
        assigned = rpn.assigner.assign(output.anchors[0][rows], target)
        for kind, row, gt in zip(assigned.kind, rows, assigned.gt_index, strict=True):
            if kind >= 0:
                logit = output.logits[0][image, row].item()
                entropy += math.log1p(math.exp(-logit if kind else logit))
                kept += 1
            if kind > 0:
                wanted = rpn.coder.encode(output.anchors[0][row][None], target.boxes[gt][None])
                boxes += (output.deltas[0][image, row] - wanted).abs().sum().item()
                positives += 1
    assert kept > 8 and positives >= 2
    assert_near(losses["rpn.loss_bbox"], boxes / divisor(kept, positives))
    assert_near(losses["rpn.loss_cls"], entropy / objectness(kept))


# No objects


@pytest.mark.parametrize("average", ["sampled", "batch", "positives"])
@pytest.mark.parametrize("side", [40, 4])  # no anchor to train on lies in a picture of 4 pixels
def test_every_head_gets_a_gradient_without_objects(average, side):
    rpn = head(**{**FPN_PLUS, "box_loss_average": average, "border_share": 0.25})
    infos = [ImageInfo((side, side), (side, side))] * 2
    losses = rpn.loss(rpn(pyramid()), infos, truths((), ()))
    assert all(value.isfinite() for value in losses.values())
    assert losses["rpn.loss_bbox"] == 0
    assert (losses["rpn.loss_cls"] > 0) == (side > 4)
    sum(losses.values()).backward()
    assert [name for name, p in rpn.named_parameters() if p.grad is None] == []


def test_one_pixel_objects_and_one_cell_maps():
    maps = [(1, 1), (1, 1), (1, 1)]
    rpn = head(**FPN_PLUS)
    targets = truths(((3, 3, 4, 4),), ((0, 0, 1, 1),))
    losses = rpn.loss(rpn(pyramid(maps)), INFOS, targets)
    assert all(value.isfinite() for value in losses.values())
    assert len(rpn.propose(rpn(pyramid(maps)), INFOS)) > 0


# Selection


def test_training_and_inference_choose_differently():
    rpn = head(
        **FPN_PLUS,
        train_proposals=((9, 8, 7), None),
        test_proposals=(5, 3),
        score_threshold=(0.1, 0.1, 0.01),
        train_score_threshold=0.05,
        min_size=(5, 5, 15),
    )
    training, inference = rpn.selection_rule(True), rpn.selection_rule(False)
    assert (training.before, training.after) == ((9, 8, 7), None)
    assert (inference.before, inference.after) == ((5, 5, 5), 3)
    assert training.scores == (0.05,) * 3
    assert inference.scores == (0.1, 0.1, 0.01)
    assert training.sizes == inference.sizes == (5, 5, 15)
    rpn.nms_iou = 1.0
    output = rpn(pyramid())
    output = replace(output, deltas=[delta * 0 for delta in output.deltas])
    rpn.score_threshold, rpn.train_score_threshold, rpn.min_size = 0.0, None, 0.0
    infos = INFOS[:1] * 2
    assert len(rpn.propose(output, infos)) == 2 * (9 + 8 + 7)  # nothing is capped after NMS
    assert len(rpn.eval().propose(output, infos)) == 2 * 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objectness": "softmx"}, "objectness must be one of sigmoid, softmax.*'softmax'"),
        ({"box_loss_average": "batches"}, "box_loss_average must be one of .*'batch'"),
        ({"levels": [0, 1]}, "the anchors have 5 strides"),
        ({"min_size": [1, 2]}, "min_size: expected a number >= 0, or one for each of the 5"),
        ({"test_proposals": ([9, 9], 9)}, "proposals before NMS: .* each of the 5 levels"),
        ({"train_score_threshold": [0.1]}, "score_threshold: .* each of the 5 levels"),
        ({"anchors": FPN_PLUS["anchors"]}, r"\(2, 2, 4\) anchors a cell.*shared=False"),
        (
            {"box_loss_average": "batch", "sampler": {"type": "cascadekit.KeepAll"}},
            "'batch' needs a sampler with a number",
        ),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        MODELS.build({"type": "cascadekit.RPNHead", "in_channels": 4, **settings})
