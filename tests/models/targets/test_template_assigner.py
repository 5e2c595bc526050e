"""MS-CNN's matching on a grid of 4 x 4 cells, worked out by hand."""

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE
from cascadekit.models.targets.template_assigner import TemplateAssigner, TemplateGrid, rows_at
from cascadekit.structures.samples import Targets

P, N, X = POSITIVE, NEGATIVE, IGNORED
SIZE = (32, 32)
# 16 x 16 templates around the centres 4, 12, 20, 28; the one in row 1, column 1 is (4, 4, 20, 20).
GRID = TemplateGrid.around_cells((16, 16), 8, 4, 4)


def truth(boxes, ignored=(), is_region=None):
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    regions = torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4)
    known = None if is_region is None else torch.full((len(regions),), is_region)
    return Targets(rows, torch.zeros(len(rows)).long(), regions, is_region=known)


def kinds(boxes, ignored=(), size=SIZE, is_region=None, **settings):
    targets = truth(boxes, ignored, is_region)
    assigned = TemplateAssigner(**settings).assign([GRID], targets, size)
    return assigned.kind.view(4, 4).tolist()


def test_templates_lie_around_the_centres_of_cells():
    grid = TemplateGrid.around_cells((6, 10), 4, 2, 3)
    assert grid.boxes.shape == (6, 4)
    assert grid.boxes[0].tolist() == [-1, -3, 5, 7]  # around (2, 2)
    assert grid.boxes[5].tolist() == [7, 1, 13, 11]  # row 1, column 2: around (10, 6)
    # Points outside the map belong to the nearest cell; a border belongs to the next one.
    points = torch.tensor([[-5.0, 0.0], [3.9, 4.0], [4.0, 3.9], [99.0, 99.0]])
    assert grid.row_at(points).tolist() == [0, 3, 1, 5]


def test_thresholds():
    # The object is the template (1, 1). Beside it: 128 of 384 pixels, 1/3, between the thresholds;
    # diagonal: 64 of 448, 1/7, below 0.2; further off they only touch.
    assert kinds([[4, 4, 20, 20]]) == [[N, X, N, N], [X, P, X, N], [N, X, N, N], [N, N, N, N]]


def test_an_iou_of_the_threshold_is_not_above_it():
    half = [[4, 4, 20, 12]]  # half of the template (1, 1), and no more of any other
    assert kinds(half, best_match_iou=0.6)[1][1] == X
    assert kinds(half)[1][1] == P  # as the best of this object
    assert kinds(half, pos_iou=0.49, best_match_iou=0.6)[1][1] == P


def test_a_small_object_has_the_template_at_its_centre():
    # 8 x 8 inside the templates (1, 1), (1, 2), (2, 1) and (2, 2): 64 / 256 with each. Its centre
    # (16, 16) is the corner of the cell (2, 2).
    assert kinds([[12, 12, 20, 20]])[2] == [N, X, P, N]
    # 6 x 6: 36 / 256 is below 0.2, so all is background; so is all without objects.
    assert kinds([[13, 13, 19, 19]]) == kinds([]) == [[N] * 4] * 4


def test_the_first_object_has_the_template():
    # Both have their centre in the cell (2, 2), and neither overlaps more than a quarter.
    boxes = [[12, 12, 20, 20], [13, 12, 21, 20]]
    assigned = TemplateAssigner().assign([GRID], truth(boxes), SIZE)
    assert (assigned.kind == P).nonzero()[:, 0].tolist() == [10]
    assert assigned.gt_index[10] == 0
    assigned = TemplateAssigner().assign([GRID], truth(boxes[::-1]), SIZE)
    assert assigned.gt_index[10] == 0  # the other one now


def test_a_template_of_another_object_is_not_taken_away():
    # Object 0 is the template (1, 1); object 1 is inside it and has its centre there.
    assigned = TemplateAssigner().assign([GRID], truth([[4, 4, 20, 20], [10, 10, 18, 18]]), SIZE)
    assert (assigned.kind == P).nonzero()[:, 0].tolist() == [5]
    assert assigned.gt_index[5] == 0


def test_equal_overlaps():
    # Two identical objects: the first. Two identical templates: the grid that comes first.
    grids = [TemplateGrid.around_cells((40, 40), 8, 4, 4), GRID, GRID]
    twice = truth([[4, 4, 20, 20]] * 2)
    assigned = TemplateAssigner().assign(grids, twice, SIZE)
    assert (assigned.kind == P).nonzero()[:, 0].tolist() == [16 + 5, 32 + 5]
    assert assigned.gt_index[[21, 37]].tolist() == [0, 0]
    small = TemplateAssigner().assign(grids, truth([[12, 12, 20, 20]]), SIZE)
    assert (small.kind == P).nonzero()[:, 0].tolist() == [16 + 10]


# Two strips, each a quarter of the template (1, 1) at its upper and lower edge.
STRIPS = [[4, 4, 20, 8], [4, 16, 20, 20]]


def test_regions_that_cover_a_template_together():
    # Together half of (1, 1) > 0.4: neither. (0, 1), (4, -4, 20, 12), holds the upper strip, a
    # quarter: too little to be covered, but its IoU of 1/4 is no background either. (2, 1) holds
    # the lower one. (1, 0) and (1, 2) hold halves of both, together a quarter, IoU 32 / 288 each.
    expected = [[N, X, N, N], [N, X, N, N], [N, X, N, N], [N, N, N, N]]
    assert kinds([], STRIPS) == expected
    # 0.5 is not below 0.5 either; above that the template is only too near.
    assert kinds([], STRIPS, ignore_cover=0.5) == expected
    # Nothing is too near with neg_iou 0.3: only what is covered is left out.
    assert kinds([], STRIPS, neg_iou=0.3) == [[N] * 4, [N, X, N, N], [N] * 4, [N] * 4]
    assert kinds([], STRIPS, neg_iou=0.3, ignore_cover=0.6) == [[N] * 4] * 4


def test_regions_only_cover():
    # As above, but they are known to be regions: those that they do not cover are background,
    # also where the IoU is 1/4.
    expected = [[N] * 4, [N, X, N, N], [N] * 4, [N] * 4]
    assert kinds([], STRIPS, is_region=True) == expected
    assert kinds([], STRIPS, is_region=True, ignore_cover=0.6) == [[N] * 4] * 4


def test_ignored_objects_only_overlap():
    # The same strips as ignored objects: IoU 1/4 with (0, 1), (1, 1) and (2, 1), which are no
    # background; nothing is covered, so an object there is found in its place.
    expected = [[N, X, N, N], [N, X, N, N], [N, X, N, N], [N, N, N, N]]
    assert kinds([], STRIPS, is_region=False) == expected
    assert kinds([[4, 4, 20, 20]], STRIPS, is_region=False)[1][1] == P


def test_a_template_that_fits_an_ignored_object_better_is_neither():
    # IoU of (1, 1) with the object, 16 x 12 of it: 3/4; with the ignored one, 16 x 14: 7/8.
    boxes, ignored = [[4, 4, 20, 16]], [[4, 4, 20, 18]]
    found = TemplateAssigner(best_match_iou=0.8).assign([GRID], truth(boxes, ignored, False), SIZE)
    assert found.kind.view(4, 4)[1].tolist() == [X, X, X, N]
    # The other way round it stays the object's, and so it does where nothing is known of the box.
    assert kinds(ignored, boxes, is_region=False)[1][1] == P
    assert kinds(boxes, [[4, 4, 20, 9]])[1][1] == P
    # As fits as the object: it is the object's.
    assert kinds(boxes, boxes, is_region=False)[1][1] == P
    # Without a template of its own the object has the one at its centre, as ever.
    assert kinds(boxes, ignored, is_region=False)[1][1] == P


def test_a_covered_template_fits_no_object_unless_at_its_centre():
    # The object is the template (1, 1), which is covered. Of those that are not, (0, 1) is the
    # first to overlap it by 1/3; same template, and the object's centre lies in the cell (1, 1).
    assigned = TemplateAssigner().assign([GRID], truth([[4, 4, 20, 20]], STRIPS), SIZE)
    assert (assigned.kind == P).nonzero()[:, 0].tolist() == [5]
    assert (
        TemplateAssigner(best_match_iou=0.4)
        .assign([GRID], truth([[4, 4, 20, 20]], STRIPS), SIZE)
        .kind.view(4, 4)[1]
        .tolist()
    ) == [X, X, X, N]


def test_padding_is_neither():
    # The picture is 20 wide and 13 high: centres 4, 12, 20 and 4, 12 are in it, 28 is not.
    assert kinds([], size=(13, 20)) == [[N, N, N, X]] * 2 + [[X] * 4] * 2


def test_one_pixel_and_regions_without_area():
    assert kinds([[5, 5, 6, 6]]) == [[N] * 4] * 4
    assert kinds([], [[5, 5, 5, 5]]) == [[N] * 4] * 4


def test_rows_of_the_same_grids():
    grids = [GRID, TemplateGrid.around_cells((8, 8), 16, 2, 2)]
    points = torch.tensor([[30.0, 30.0], [30.0, 1.0], [1.0, 30.0]])
    assert rows_at(grids, torch.tensor([0, 15, 16]), points).tolist() == [15, 3, 16 + 2]
    assert rows_at(grids, torch.zeros(0).long(), points[:0]).tolist() == []


def test_thresholds_out_of_order():
    with pytest.raises(InputError, match="neg_iou"):
        TemplateAssigner(pos_iou=0.2, neg_iou=0.5)
