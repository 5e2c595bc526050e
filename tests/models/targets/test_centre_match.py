"""Anchors for objects that fit none: by hand, and against loops over cells and templates."""

from functools import partial

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.proposals.anchors import AnchorGenerator
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE
from cascadekit.models.targets.centre_match import CentreMatchAssigner
from cascadekit.registry import TASK_UTILS
from cascadekit.structures.samples import Targets

MAPS = [(4, 4), (2, 2)]
GRID = AnchorGenerator([8, 16], sizes=[[(8, 8)], [(16, 16), (32, 16)]], center_offset=0.5)
ANCHORS = torch.cat(GRID.grid_anchors(MAPS))  # 16 of 8 x 8, then 4 x (16 x 16, 32 x 16)
ALL = torch.arange(len(ANCHORS))


def targets(*boxes, ignored=()):
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    regions = torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4)
    return Targets(rows, torch.zeros(len(rows)).long(), regions)


def assign(truth, usable=ALL, **settings):
    moved_to = partial(GRID.moved_to, maps=MAPS)
    return CentreMatchAssigner(**settings).assign_anchors(ANCHORS, usable, truth, moved_to)


def positives(assigned):
    rows = (assigned.kind == POSITIVE).nonzero()[:, 0].tolist()
    return {row: assigned.gt_index[row].item() for row in rows}


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((8, 8, 16, 16), {5: 0}),  # is anchor 5: IoU 1, no need for the centre
        ((8, 8, 16, 13), {5: 0}),  # IoU 0.625 with anchor 5, and its centre is in that cell
        ((10, 10, 14, 14), {5: 0}),  # 16 / 64 = 0.25
        ((11, 11, 14, 14), {}),  # 9 / 64 = 0.14 < 0.2: goes without
        ((14, 10, 19, 15), {6: 0}),  # 15 / 74 = 0.203 with anchor 6, 10 / 79 with anchor 5
        ((26, 26, 38, 38), {15: 0}),  # 36 / 172 = 0.209; the centre is outside the last cell
        ((8, 8, 9, 40), {}),  # a thin one fits nothing
    ],
)
def test_one_object(box, expected):
    assert positives(assign(targets(box))) == expected


def test_size_and_level_are_those_of_the_best_anchor():
    # 24 x 12 at (12, 6): IoU 288 / 512 = 0.5625 with the 32 x 16 around (8, 8), which is row 17.
    assert positives(assign(targets((0, 2, 24, 14)))) == {17: 0}


def test_an_anchor_goes_to_one_object_only():
    # Both want anchor 5; the first has it, the second goes without.
    assert positives(assign(targets((10, 10, 14, 14), (9, 9, 14, 14)))) == {5: 0}
    # Anchor 5 is the second one's by IoU (56 / 64) and stays so.
    assert positives(assign(targets((10, 10, 14, 14), (8, 8, 16, 15)))) == {5: 1}


def test_the_best_is_among_usable_anchors_but_the_centre_need_not_be():
    # Only anchor 0 may be used: IoU 16 / 64 with the object, whose centre (3, 3) is in its cell.
    assert positives(assign(targets((0, 0, 4, 4)), ALL[:1])) == {0: 0}
    # Anchor 5 may not be used, its neighbour 6 may: 3 x 8 of (11, 8, 19, 16) lie in it, 24 / 104.
    assigned = assign(targets((11, 8, 19, 16)), torch.tensor([6, 15]))
    assert positives(assigned) == {5: 0}  # the centre (15, 12) is in anchor 5's cell
    assert assigned.kind[15] == NEGATIVE
    assert (assigned.kind == IGNORED).sum() == len(ANCHORS) - 3


def test_between_the_thresholds_and_ignore_regions():
    kind = assign(targets((8, 8, 16, 13)), centre_iou=1.0).kind
    assert kind[5] == IGNORED  # 0.625
    assert kind[0] == NEGATIVE
    assert assign(targets(ignored=[(0, 0, 8, 8)])).kind[0] == IGNORED


@pytest.mark.parametrize("usable", [ALL, ALL[:0]])
def test_no_objects(usable):
    assigned = assign(targets(), usable)
    assert (assigned.kind == NEGATIVE).sum() == len(usable)
    assert positives(assigned) == {}


def test_no_anchors():
    moved_to = partial(GRID.moved_to, maps=[(0, 0), (0, 0)])
    nothing = torch.zeros(0, 4)
    got = CentreMatchAssigner().assign_anchors(nothing, ALL[:0], targets((1, 1, 9, 9)), moved_to)
    assert len(got.kind) == 0


def overlap(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def by_loops(truth, usable):
    """Level by level, cell by cell: kind and ground truth of each anchor."""
    place = {}  # (level, template, row, column) -> row among all anchors
    for level, (height, width) in enumerate(MAPS):
        for row in range(height):
            for column in range(width):
                for template in range(GRID.num_anchors[level]):
                    place[level, template, row, column] = len(place)
    kind, owner = [IGNORED] * len(place), [0] * len(place)
    best = [(0.0, (0, 0))] * len(truth)
    won = [0] * len(truth)
    for (level, template, row, column), index in place.items():
        if index not in usable:
            continue
        width, height = GRID.sizes[level][template]
        x, y = (column + 0.5) * GRID.strides[level], (row + 0.5) * GRID.strides[level]
        anchor = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        most = 0.0
        for number, box in enumerate(truth):
            iou = overlap(anchor, box)
            if iou > most:
                most, owner[index] = iou, number
            if iou > best[number][0]:
                best[number] = (iou, (level, template))
        if most >= 0.7:
            kind[index] = POSITIVE
            won[owner[index]] += 1
        elif most < 0.3:
            kind[index] = NEGATIVE
    for number, box in enumerate(truth):
        if won[number] or best[number][0] < 0.2:
            continue
        level, template = best[number][1]
        height, width = MAPS[level]
        row = int((box[1] + box[3]) / 2 // GRID.strides[level])
        column = int((box[0] + box[2]) / 2 // GRID.strides[level])
        index = place[level, template, min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
        if kind[index] != POSITIVE:
            kind[index], owner[index] = POSITIVE, number
    return kind, owner


@pytest.mark.parametrize("seed", range(20))
def test_equals_loops(seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(12, 2, generator=generator) * 26
    truth = torch.cat([corner, corner + 3 + torch.rand(12, 2, generator=generator) * 16], 1)
    usable = (torch.rand(len(ANCHORS), generator=generator) < 0.8).nonzero()[:, 0]
    assigned = assign(targets(*truth.tolist()), usable)
    kind, owner = by_loops(truth.tolist(), set(usable.tolist()))
    assert assigned.kind.tolist() == kind
    for index, value in enumerate(kind):
        if value == POSITIVE:
            assert assigned.gt_index[index] == owner[index]
    by_iou = (assigned.kind == POSITIVE) & (assigned.ious >= 0.7)
    assert (assigned.kind == POSITIVE).sum() > by_iou.sum()  # some at centres


def test_registered_and_checked():
    built = TASK_UTILS.build({"type": "cascadekit.CentreMatchAssigner", "centre_iou": 0.1})
    assert built.centre_iou == 0.1
    with pytest.raises(InputError, match="neg_iou <= pos_iou"):
        CentreMatchAssigner(0.3, 0.7)
