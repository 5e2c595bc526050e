"""Selection by hand, and against loops that follow the released Caffe code's order."""

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.proposals.proposal_selection import (
    SelectionRule,
    per_level,
    select_proposals,
)
from cascadekit.models.proposals.rpn_output import RPNOutput
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.structures.samples import ImageInfo

INFO = ImageInfo((40, 50), (40, 50))
CODER = DeltaCoder(stds=(1.0, 1.0, 1.0, 1.0))


def logit(score):
    return torch.tensor(score).logit()


def two_levels(first, second):
    """One image; (box, score) rows of two levels, no deltas."""
    anchors, logits = [], []
    for level in (first, second):
        anchors.append(torch.tensor([box for box, _ in level], dtype=torch.float32).view(-1, 4))
        logits.append(logit([score for _, score in level]).view(1, -1))
    deltas = [torch.zeros(1, len(level), 4) for level in anchors]
    return RPNOutput(anchors, logits, deltas)


def select(output, **changes):
    rule = {"before": (9, 9), "after": None, "scores": (0, 0), "sizes": (0, 0), "nms_iou": 0.7}
    return select_proposals(output, CODER, [INFO], SelectionRule(**{**rule, **changes}))


A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (0, 20, 10, 30)
OUTPUT = two_levels([(A, 0.9), (B, 0.5), (C, 0.2)], [(A, 0.8), (B, 0.3), (C, 0.1)])


@pytest.mark.parametrize(
    ("changes", "scores"),
    [
        ({}, [0.9, 0.8, 0.5, 0.3, 0.2, 0.1]),  # levels do not suppress each other
        ({"after": 2}, [0.9, 0.8]),  # of both levels together
        ({"before": (1, 2)}, [0.9, 0.8, 0.3]),
        ({"before": (1, 0)}, [0.9]),
        ({"scores": (0.4, 0.05)}, [0.9, 0.8, 0.5, 0.3, 0.1]),
        ({"scores": (0.95, 0.95)}, []),
        ({"sizes": (10, 9)}, [0.8, 0.3, 0.1]),  # sides of 10 are not longer than 10
    ],
)
def test_one_rule_at_a_time(changes, scores):
    got = select(OUTPUT, **changes)
    assert got.scores.tolist() == pytest.approx(scores)
    assert got.boxes.shape == (len(scores), 4)


def test_a_score_at_the_threshold_stays():
    output = two_levels([(A, 0.5)], [])
    assert len(select(output, scores=(0.5, 0.5))) == 1


def test_clipped_boxes_are_measured():
    output = two_levels([((-8, 0, 4, 20), 0.9), ((44, 30, 70, 60), 0.8)], [])
    got = select(output, sizes=(5, 5))
    assert got.boxes.tolist() == [[44, 30, 50, 40]]  # 6 x 10 left of it; of the other 4 x 20


def nms_by_loops(boxes, limit):
    kept = []
    for box in boxes:
        for other in kept:
            width = max(min(box[2], other[2]) - max(box[0], other[0]), 0)
            height = max(min(box[3], other[3]) - max(box[1], other[1]), 0)
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
            if width * height > limit * (sum(areas) - width * height):
                break
        else:
            kept.append(box)
    return kept


def caffe(anchors, scores, deltas, cut, count, size, limit):
    """One level of one image: cut, decode, clip, measure, rank, count, suppress."""
    boxes = []
    for (x1, y1, x2, y2), score, (dx, dy, dw, dh) in zip(anchors, scores, deltas, strict=True):
        if score < cut:
            continue
        width, height = x2 - x1, y2 - y1
        x, y = (x1 + x2) / 2 + dx * width, (y1 + y2) / 2 + dy * height
        width, height = width * 2.718281828459045**dw, height * 2.718281828459045**dh
        box = [max(x - width / 2, 0), max(y - height / 2, 0)]
        box += [min(x + width / 2, INFO.size[1]), min(y + height / 2, INFO.size[0]), score]
        if box[2] - box[0] >= size and box[3] - box[1] >= size:
            boxes.append(box)
    boxes.sort(key=lambda box: -box[4])
    return nms_by_loops(boxes[:count], limit)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_released_rule(seed):
    """Counts that the cut leaves unused, since there small boxes are dropped before counting."""
    generator = torch.Generator().manual_seed(seed)
    anchors, logits, deltas = [], [], []
    for count in (150, 80):
        corner = torch.rand(count, 2, generator=generator) * 40 - 5
        size = 4 + torch.rand(count, 2, generator=generator) * 20
        anchors.append(torch.cat([corner, corner + size], 1))
        logits.append(torch.randn(2, count, generator=generator) * 2)
        deltas.append(torch.randn(2, count, 4, generator=generator) * 0.2)
    cuts, counts, sizes = (0.6, 0.1), (150, 80), (5.0, 8.0)
    rule = SelectionRule(before=counts, after=None, scores=cuts, sizes=sizes, nms_iou=0.5)
    got = select_proposals(RPNOutput(anchors, logits, deltas), CODER, [INFO] * 2, rule)
    assert got.image_index.diff().min() >= 0
    for image in range(2):
        expected = []
        for level in range(2):
            scores = logits[level][image].sigmoid().tolist()
            given = (anchors[level].tolist(), scores, deltas[level][image].tolist())
            expected += caffe(*given, cuts[level], counts[level], sizes[level], 0.5)
        expected.sort(key=lambda box: -box[4])
        mine = got[got.image_index == image]
        assert 20 < len(mine) == len(expected) < 200
        rows = torch.cat([mine.boxes, mine.scores[:, None]], 1)
        torch.testing.assert_close(rows, torch.tensor(expected), rtol=1e-5, atol=1e-4)


def test_no_gradient_and_no_anchors():
    output = two_levels([], [])
    assert select(output).boxes.shape == (0, 4)
    output = two_levels([(A, 0.9)], [])
    output.deltas[0].requires_grad_()
    assert not select(output).boxes.requires_grad


def test_numbers_of_levels():
    assert per_level("x", 3, 2) == (3, 3)
    assert per_level("x", [1, 2.5], 2) == (1, 2.5)
    for wrong in ([1], [1, 2, 3], -1, [1, -1], []):
        with pytest.raises(InputError, match="x: expected a number >= 0, or one for each of the 2"):
            per_level("x", wrong, 2)
