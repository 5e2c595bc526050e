"""Proposals and losses of the RPN on anchors small enough to follow."""

import math
from dataclasses import replace

import pytest
import torch

from cascadekit.models.proposals.rpn_head import RPNHead, RPNOutput
from cascadekit.structures.samples import ImageInfo, Targets

INFO = ImageInfo((32, 32), (32, 32))


def head(**options):
    torch.manual_seed(0)
    anchors = {
        "type": "cascadekit.AnchorGenerator",
        "strides": [8],
        "scales": [2],
        "ratios": [1.0],
    }
    return RPNHead(in_channels=4, feat_channels=4, anchors=anchors, **options)


def output(rpn, logits):
    """All deltas zero, so that the proposals are the anchors."""
    anchors = rpn.anchors.grid_anchors([(4, 4)])
    return RPNOutput(anchors, [logits], [torch.zeros(len(logits), 16, 4)])


def truth(*boxes):
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Targets(rows, torch.zeros(len(rows)).long(), torch.zeros(0, 4))


def test_proposals_are_clipped_ranked_and_suppressed():
    rpn = head(test_proposals=(16, 3), nms_iou=0.2).eval()
    logits = torch.full((1, 16), -9.0)
    logits[0, 0], logits[0, 5], logits[0, 6], logits[0, 15] = 1.0, 3.0, 2.0, 0.5
    proposals = rpn.propose(output(rpn, logits), [INFO])
    # Anchor 5 is (0, 0, 16, 16). Its neighbour 6, (8, 0, 24, 16), overlaps it by 1/3 > 0.2 and so
    # does the clipped corner anchor 0, (0, 0, 8, 8), by 1/4. Anchor 15 is (16, 16, 32, 32).
    assert proposals.boxes[:2].tolist() == [[0, 0, 16, 16], [16, 16, 32, 32]]
    assert len(proposals) == 3
    assert (proposals.scores[:-1] >= proposals.scores[1:]).all()
    assert proposals.scores[0].item() == pytest.approx(torch.tensor(3.0).sigmoid().item())


def test_number_before_suppression_is_per_level():
    rpn = head(test_proposals=(2, 100), nms_iou=1.0).eval()
    assert len(rpn.propose(output(rpn, torch.randn(3, 16)), [INFO] * 3)) == 6


def test_empty_proposals_survive():
    rpn = head(min_size=1000.0).eval()
    proposals = rpn.propose(output(rpn, torch.zeros(2, 16)), [INFO] * 2)
    assert len(proposals) == 0 and proposals.boxes.shape == (0, 4)


def test_no_gradient_through_proposals():
    rpn = head()
    maps = [torch.randn(1, 4, 4, 4)]
    assert not rpn.propose(rpn(maps), [INFO]).boxes.requires_grad


def test_loss_by_hand():
    # The truth is anchor 5 exactly. Anchors that reach the border are not trained on: of the
    # 4 x 4 grid only those centred at 8 and 16 lie inside. Anchor 5 is positive, 6 and 9 overlap
    # it by 1/3 (ignored, between 0.3 and 0.7), 10 by 1/7 (negative).
    rpn = head()
    logits = torch.zeros(1, 16)
    logits[0, 5] = 2.0
    losses = rpn.loss(output(rpn, logits), [INFO], [truth((0, 0, 16, 16))])
    positive = torch.tensor(2.0).sigmoid().log().neg().item()
    negative = torch.tensor(2.0).log().item()
    assert losses["rpn.loss_cls"].item() == pytest.approx((positive + negative) / 2, rel=1e-5)
    assert losses["rpn.loss_bbox"].item() == 0  # zero deltas are right


def test_allowed_border():
    rpn = head(allowed_border=-1)
    losses = rpn.loss(output(rpn, torch.zeros(1, 16)), [INFO], [truth()])
    assert losses["rpn.loss_cls"].item() == pytest.approx(torch.tensor(2.0).log().item())
    assert rpn._inside(rpn.anchors.grid_anchors([(4, 4)])[0], INFO).all()
    assert head()._inside(rpn.anchors.grid_anchors([(4, 4)])[0], INFO).sum() == 4


@pytest.mark.parametrize(
    ("divisor", "trained"),
    [
        (None, 16),  # all cells of the batch's map
        (8, 4),  # the picture of 16 x 9, padded to 16 x 16: cells of rows 0 and 1, columns 0 and 1
        (32, 16),  # padded to the batch's size
    ],
)
def test_cells_beyond_a_smaller_picture(divisor, trained):
    rpn = head(allowed_border=-1, pad_size_divisor=divisor)
    logits = torch.full((4, 4), 3.0)
    logits[:2, :2] = 0.0
    found = replace(output(rpn, logits.view(1, 16)), maps=((4, 4),))
    loss = rpn.loss(found, [ImageInfo((16, 9), (16, 9))], [truth()])["rpn.loss_cls"].item()
    own, beyond = 4 * math.log(2), (trained - 4) * math.log(1 + math.exp(3))
    assert loss == pytest.approx((own + beyond) / trained, rel=1e-5)


@pytest.mark.parametrize(
    ("average", "divisor"),
    [
        ("sampled", 2 + 4),  # the first picture has a positive and a negative (see above)
        ("at_least_one", 2 + 4 + 1),  # the second has no positive
    ],
)
def test_average_of_a_picture_without_positives(average, divisor):
    rpn = head(box_loss_average=average)
    found = output(rpn, torch.zeros(2, 16))
    found.deltas[0][:, 5] = 10.0
    losses = rpn.loss(found, [INFO] * 2, [truth((0, 0, 16, 16)), truth()])
    assert losses["rpn.loss_cls"].item() == pytest.approx(6 * math.log(2) / divisor, rel=1e-5)
    expected = 4 * (10 - 1 / 18) / divisor  # smooth L1 that turns at 1/9
    assert losses["rpn.loss_bbox"].item() == pytest.approx(expected, rel=1e-5)


def test_no_objects_still_gives_gradients():
    rpn = head()
    maps = [torch.randn(2, 4, 4, 4)]
    losses = rpn.loss(rpn(maps), [INFO] * 2, [truth(), truth()])
    assert losses["rpn.loss_bbox"].item() == 0
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in rpn.parameters())
