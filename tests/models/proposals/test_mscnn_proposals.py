"""MS-CNN's proposals and losses by hand, and against plain loops."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.proposals.mscnn_proposals import MSCNNOutput, MSCNNProposals
from cascadekit.registry import MODELS
from cascadekit.structures.samples import ImageInfo, Targets

spec = importlib.util.spec_from_file_location(
    "mscnn_reference", Path(__file__).with_name("mscnn_reference.py")
)
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

INFO = ImageInfo((32, 32), (32, 32))


def head(num_classes=1, **options):
    """One branch of stride 8 with one template of 16 x 16."""
    torch.manual_seed(0)
    branches = options.pop("branches", [dict(stride=8, templates=[16], kernels=[1])])
    return MSCNNProposals(num_classes, branches, in_channels=4, feat_channels=4, **options)


def output(rpn, margins, deltas=None, maps=None):
    """Logits of the only class by cell, background 0."""
    base = rpn([torch.zeros(len(margins), 4, 4, 4)] if maps is None else maps)
    logits = torch.stack([margins, torch.zeros_like(margins)], 2)
    deltas = torch.zeros(len(margins), 16, 4) if deltas is None else deltas
    return MSCNNOutput(base.grids, [logits], [deltas])


def truth(*boxes, ignored=(), labels=None):
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    regions = torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4)
    labels = torch.zeros(len(rows)).long() if labels is None else torch.tensor(labels)
    return Targets(rows, labels, regions)


# Forward


def test_branches_read_the_last_maps_in_order():
    branches = [
        dict(stride=8, templates=[16, (12, 24)], kernels=[3, (3, 5)], buffer=True),
        dict(stride=16, templates=[32], kernels=[5]),
    ]
    rpn = head(num_classes=3, branches=branches)
    pyramid = [torch.randn(2, 4, s, s + 1) for s in (16, 8, 4)]  # the finest is for the heads
    out = rpn(pyramid)
    assert [logits.shape for logits in out.logits] == [(2, 72, 4), (2, 72, 4), (2, 20, 4)]
    assert [deltas.shape for deltas in out.deltas] == [(2, 72, 4), (2, 72, 4), (2, 20, 4)]
    assert [(g.stride, g.height, g.width) for g in out.grids] == [(8, 8, 9), (8, 8, 9), (16, 4, 5)]
    assert out.grids[1].boxes[0].tolist() == [-2, -8, 10, 16]  # 12 x 24 around (4, 4)
    # Row by row: cell (row 2, column 3) of the second template, channels as they come.
    features = rpn.branches[0].buffer(pyramid[1]).relu()
    raw = rpn.branches[0].heads[1](features)
    torch.testing.assert_close(out.logits[1][1, 2 * 9 + 3], raw[1, :4, 2, 3])
    torch.testing.assert_close(out.deltas[1][1, 2 * 9 + 3], raw[1, 4:, 2, 3])


def test_parameter_names():
    branches = [
        dict(stride=8, templates=[16], kernels=[3], buffer=True),
        dict(stride=16, templates=[32, 64], kernels=[5, 7]),
    ]
    rpn = MODELS.build(
        dict(type="cascadekit.MSCNNProposals", num_classes=2, branches=branches, in_channels=4)
    )
    assert {name for name in rpn.state_dict() if name.endswith("weight")} == {
        "branches.0.buffer.weight",
        "branches.0.heads.0.weight",
        "branches.1.heads.0.weight",
        "branches.1.heads.1.weight",
    }


# Proposals


def test_proposals_are_cut_ranked_and_suppressed():
    rpn = head(test_cut=-1.0, nms_iou=0.3, min_size=8.0).eval()
    margins = torch.full((1, 16), -2.0)
    margins[0, [5, 6, 7, 15]] = torch.tensor([3.0, 2.0, 1.0, -1.0])
    proposals = rpn.propose(output(rpn, margins), [INFO])
    # Template 5 is (4, 4, 20, 20); 6, (12, 4, 28, 20), overlaps it by 1/3 > 0.3 and goes; 7 is
    # clipped to (20, 4, 32, 20) and touches 5 only; 15 is clipped to (20, 20, 32, 32), and its
    # score is the cut itself.
    assert proposals.boxes.tolist() == [[4, 4, 20, 20], [20, 4, 32, 20], [20, 20, 32, 32]]
    expected = torch.tensor([3.0, 1.0, -1.0]).sigmoid()
    torch.testing.assert_close(proposals.scores, expected)
    assert not proposals.from_gt.any()


def test_the_largest_class_counts():
    rpn = head(num_classes=2, test_cut=0.0).eval()
    out = output(rpn, torch.zeros(1, 16))
    logits = torch.zeros(1, 16, 3)
    logits[..., 2] = 5.0  # background
    logits[0, 5] = torch.tensor([1.0, 4.0, 2.0])  # 4 - 2
    found = rpn.propose(MSCNNOutput(out.grids, [logits], out.deltas), [INFO])
    assert found.scores.tolist() == pytest.approx([1 / (1 + math.exp(-2))])


def test_the_number_counts_before_suppression():
    margins = torch.full((1, 16), -9.0)
    margins[0, [0, 5, 15]] = torch.tensor([1.0, 3.0, 2.0])
    rpn = head(test_count=2, train_count=1, min_size=1.0).eval()
    assert len(rpn.propose(output(rpn, margins), [INFO])) == 2
    rpn = head(test_count=2, test_cut=-99.0, nms_iou=0.0, min_size=1.0).eval()
    margins[0, 6] = 2.5  # overlaps 5: it takes the second place and is suppressed
    assert rpn.propose(output(rpn, margins), [INFO]).boxes.tolist() == [[4, 4, 20, 20]]
    rpn = head(train_cut=-99.0, train_count=1, min_size=1.0).train()
    assert len(rpn.propose(output(rpn, margins), [INFO])) == 1


def test_equal_scores_keep_the_order_of_templates():
    branches = [dict(stride=8, templates=[16, 12], kernels=[1, 1])]
    rpn = head(branches=branches, test_count=3, min_size=1.0, nms_iou=1.0).eval()
    out = rpn([torch.zeros(1, 4, 4, 4)])
    same = [torch.zeros(1, 16, 2)] * 2
    found = rpn.propose(MSCNNOutput(out.grids, same, [torch.zeros(1, 16, 4)] * 2), [INFO])
    assert found.boxes.tolist() == [[0, 0, 12, 12], [4, 0, 20, 12], [12, 0, 28, 12]]


def test_bounds_of_the_deltas():
    coder = dict(
        type="cascadekit.BoundedDeltaCoder", stds=(0.1, 0.1, 0.2, 0.2), most_shift=0.5, most_scale=2
    )
    rpn = head(coder=coder, min_size=1.0, test_cut=0.5).eval()
    deltas = torch.zeros(1, 16, 4)
    deltas[0, 5] = torch.tensor([99.0, 1.0, -99.0, 99.0])
    margins = torch.zeros(1, 16)
    margins[0, 5] = 1.0
    # From (12, 12): right by half of 16, down by 0.1 of 16; half as wide, twice as high.
    big = ImageInfo((99, 99), (99, 99))
    (box,) = rpn.propose(output(rpn, margins, deltas), [big]).boxes.tolist()
    assert box == pytest.approx([20 - 4, max(13.6 - 16, 0), 20 + 4, 13.6 + 16])


@pytest.mark.parametrize(("min_size", "count"), [(12.0, 2), (12.5, 1)])
def test_sides_are_measured_after_clipping(min_size, count):
    # Template 5 stays 16 x 16, template 0 is clipped to (0, 0, 12, 12): 12 is enough for 12.
    margins = torch.full((1, 16), -9.0)
    margins[0, [0, 5]] = torch.tensor([1.0, 2.0])
    rpn = head(min_size=min_size).eval()
    assert len(rpn.propose(output(rpn, margins), [INFO])) == count


def test_no_proposals():
    rpn = head(min_size=0.0).eval()
    for margins in (torch.full((2, 16), -9.0), torch.full((2, 16), float("nan"))):
        found = rpn.propose(output(rpn, margins), [INFO] * 2)
        assert found.boxes.shape == (0, 4) and len(found.scores) == 0
    # Images may lack what others have, and of one pixel hardly anything is left.
    margins = torch.full((2, 16), -9.0)
    margins[1, 5] = 1.0
    assert rpn.propose(output(rpn, margins), [INFO] * 2).image_index.tolist() == [1]
    pixel = ImageInfo((1, 1), (1, 1))
    assert rpn.propose(output(rpn, torch.zeros(1, 16)), [pixel]).boxes.tolist() == [[0, 0, 1, 1]]


def test_no_gradient_through_proposals():
    rpn = head()
    proposals = rpn.propose(rpn([torch.randn(1, 4, 4, 4)]), [INFO])
    assert len(proposals) and not (proposals.boxes.requires_grad or proposals.scores.requires_grad)


# Losses


def test_loss_by_hand():
    # The object is template 5 moved right by 1.6 of 16: a delta of 0.1. IoU 14.4 / 17.6 > 0.5.
    # Template 6 overlaps it by 9.6 / 22.4 < 0.5; it is neither. The hardest of the negatives, four,
    # have log 3 less of the class than of background: log 4/3 each; all others are never seen.
    margins = torch.full((1, 16), -50.0)
    margins[0, 5] = 0.0  # log 2
    hard = [3, 8, 12, 15]
    margins[0, hard] = -math.log(3.0)
    rpn = head(
        sampler=dict(type="cascadekit.NegativeSampler", choose="hardest"),
        coder=dict(type="cascadekit.BoundedDeltaCoder", most_shift=0.5, most_scale=2.0),
        box_weight=0.05,
    )
    target = truth((5.6, 4, 21.6, 20))
    assigned = rpn.assigner.assign(rpn([torch.zeros(1, 4, 4, 4)]).grids, target, INFO.size)
    assert assigned.kind[[5, 6, *hard]].tolist() == [1, -1, 0, 0, 0, 0]
    losses = rpn.loss(output(rpn, margins), [INFO], [target])
    expected = math.log(2) / 3 + math.log(4 / 3) * 2 / 3
    assert losses["rpn.loss_cls"].item() == pytest.approx(expected, rel=1e-5)
    # Smooth L1 of 0.1 is 0.005, the mean of four coordinates a quarter of it.
    assert losses["rpn.loss_bbox"].item() == pytest.approx(0.05 * 0.005 / 4, rel=1e-4)


BRANCHES = [
    dict(stride=8, templates=[16, (12, 24)], kernels=[3, (3, 5)], buffer=True, loss_weight=0.9),
    dict(stride=16, templates=[(32, 40)], kernels=[3]),
]
STDS, BOUNDS = (0.1, 0.1, 0.2, 0.2), (0.5, 0.5, math.log(2), math.log(2))


def random_case(seed, known=False):
    """Two pictures of 60 x 70 (padded to 64 x 80), objects of 3 classes, ignore regions.

    `known`: some of the ignored boxes are regions and the others objects, near those of a class.
    """
    generator = torch.Generator().manual_seed(seed)

    def boxes(count, low, high):
        corner = torch.rand(count, 2, generator=generator) * torch.tensor([50.0, 40.0])
        size = low + torch.rand(count, 2, generator=generator) * (high - low)
        limit = torch.tensor([70.0, 60.0])
        return torch.cat([corner, torch.minimum(corner + size, limit)], 1)

    targets = []
    for objects, regions in ((7, 3), (2 if seed % 2 else 0, 1)):
        labels = torch.randint(0, 3, (objects,), generator=generator)
        own, ignored, is_region = boxes(objects, 8, 36), boxes(regions, 8, 24), None
        if known:
            ignored = torch.cat([ignored, own + 1.5])
            is_region = torch.arange(len(ignored)) < regions
        targets.append(Targets(own, labels, ignored, is_region=is_region))
    torch.manual_seed(seed)
    rpn = head(
        num_classes=3,
        branches=BRANCHES,
        coder=dict(type="cascadekit.BoundedDeltaCoder", stds=STDS, most_shift=0.5, most_scale=2.0),
        sampler=dict(type="cascadekit.NegativeSampler", choose="hardest"),
        box_weight=0.5,
    )
    sizes = [80, 80, 20]
    logits = [torch.randn(2, n, 4, generator=generator) * 2 for n in sizes]
    deltas = [(torch.randn(2, n, 4, generator=generator) * 4).requires_grad_() for n in sizes]
    pyramid = [torch.zeros(2, 4, 8, 10), torch.zeros(2, 4, 4, 5)]
    return rpn, MSCNNOutput(rpn(pyramid).grids, logits, deltas), targets


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_whole_loss_equals_plain_loops(seed, known):
    rpn, out, targets = random_case(seed, known)
    infos = [ImageInfo((60, 70), (60, 70))] * 2
    losses = rpn.loss(out, infos, targets)
    losses["rpn.loss_bbox"].backward()

    templates = [(16, 16, 8, 10, 8), (12, 24, 8, 10, 8), (32, 40, 16, 5, 4)]
    keys = [
        (t, row, column)
        for t, (_, _, _, columns, rows) in enumerate(templates)
        for row in range(rows)
        for column in range(columns)
    ]
    images = []
    for b, target in enumerate(targets):
        flags = target.is_region.tolist() if known else None
        ignored = target.ignored_boxes.tolist()
        what = reference.match(templates, target.boxes.tolist(), ignored, (60, 70), flags)
        logits = dict(zip(keys, torch.cat(out.logits, 1)[b].tolist(), strict=True))
        deltas = dict(zip(keys, torch.cat(out.deltas, 1)[b].tolist(), strict=True))
        images.append((what, target.boxes.tolist(), target.labels.tolist(), logits, deltas))
    weights = (0.9, 0.9, 1.0)
    class_loss = box = 0.0
    slopes = {}
    for t, template in enumerate(templates):
        found = reference.template_loss(t, template, images, 3, STDS, BOUNDS)
        class_loss += weights[t] * found[0]
        box += weights[t] * found[1]
        for key, values in found[2].items():
            slopes[key] = [0.5 * weights[t] * value for value in values]
    positives = [own for what, *_ in images for own in what.values() if isinstance(own, int)]
    assert len(positives) >= 4  # else the case says little
    assert losses["rpn.loss_cls"].item() == pytest.approx(class_loss, rel=1e-5)
    assert losses["rpn.loss_bbox"].item() == pytest.approx(0.5 * box, rel=1e-5)
    # The deltas' gradients: straight through the bounds, and none for what is not positive.
    measured = torch.cat([d.grad for d in out.deltas], 1)
    for b in range(2):
        for position, key in enumerate(keys):
            expected = slopes.get((b, key), [0.0] * 4)
            assert measured[b, position].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_random_negatives_follow_the_generator():
    rpn, out, targets = random_case(0)
    rpn.sampler.choose = "random"
    infos = [ImageInfo((60, 70), (60, 70))] * 2

    def value(seed):
        losses = rpn.loss(out, infos, targets, torch.Generator().manual_seed(seed))
        return losses["rpn.loss_cls"].item()

    assert value(1) == value(1) != value(2)


@pytest.mark.parametrize("choose", ["random", "hardest"])
@pytest.mark.parametrize("ignored", [(), [(-99, -99, 199, 199)]])
def test_no_objects_still_gives_gradients(choose, ignored):
    """Also where a region covers all, so that not even a negative is left."""
    sampler = dict(type="cascadekit.NegativeSampler", choose=choose)
    rpn = head(num_classes=2, branches=BRANCHES, sampler=sampler)
    maps = [torch.randn(2, 4, 8, 8), torch.randn(2, 4, 4, 4)]
    losses = rpn.loss(rpn(maps), [INFO] * 2, [truth(ignored=ignored)] * 2)
    assert losses["rpn.loss_bbox"].item() == 0
    assert (losses["rpn.loss_cls"].item() == 0) == bool(ignored)
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in rpn.parameters())


def test_half_precision_outputs_give_float_losses():
    rpn, out, targets = random_case(1)
    half = MSCNNOutput(
        out.grids, [v.bfloat16() for v in out.logits], [v.bfloat16() for v in out.deltas]
    )
    infos = [ImageInfo((60, 70), (60, 70))] * 2
    losses = rpn.loss(half, infos, targets)
    assert all(v.dtype == torch.float32 and v.isfinite() for v in losses.values())
    assert rpn.propose(half, infos).boxes.dtype == torch.float32


def test_a_faulty_branch():
    with pytest.raises(InputError, match="branches"):
        head(branches=[dict(stride=8, templates=[16], kernels=[2])])
