"""One table of cases through every form of every kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest
import torch

from cascadekit import ops, ops_kernels
from cascadekit.errors import InputError


def mmcv_ops_or_skip():
    """Compiled mmcv, or a skip; a failure where the environment promises to have it."""
    try:
        return import_module("mmcv.ops")
    except ImportError as error:
        if os.environ.get("CASCADEKIT_REQUIRE_MMCV_OPS") == "1":
            pytest.fail(f"CASCADEKIT_REQUIRE_MMCV_OPS=1 but mmcv.ops cannot be imported: {error}")
        pytest.skip(f"mmcv.ops is not compiled here (tools/build_mmcv_ops.py): {error}")


@pytest.fixture(autouse=True)
def no_choice_from_outside(monkeypatch):
    monkeypatch.delenv("CASCADEKIT_OPS", raising=False)
    monkeypatch.delenv("CASCADEKIT_ROI_ALIGN", raising=False)


@pytest.fixture(params=["torchvision", pytest.param("mmcv", marks=pytest.mark.mmdet)])
def library(request, monkeypatch):
    if request.param == "mmcv":
        mmcv_ops_or_skip()
    monkeypatch.setenv("CASCADEKIT_OPS", request.param)
    return request.param


# Boxes on a 96 x 64 (width x height) picture.
ROIS = {
    "inside": [10.3, 7.9, 41.2, 33.3],
    "one map pixel": [20.0, 20.0, 24.0, 24.0],
    "tiny": [33.33, 21.7, 33.53, 21.8],
    "no area": [50.2, 30.1, 50.2, 30.1],
    "no width": [50.2, 30.1, 50.2, 45.7],
    "no width at the corner": [0.0, 0.0, 0.0, 5.3],
    "across the left and upper border": [-17.3, -9.1, 22.2, 19.4],
    "across the right and lower border": [70.3, 41.1, 123.4, 99.9],
    "outside": [200.1, 150.3, 260.2, 190.7],
    "outside, negative": [-90.3, -80.1, -40.2, -33.3],
    "whole picture": [0.0, 0.0, 96.0, 64.0],
    "far larger than the picture": [-1003.7, -811.3, 1407.9, 1311.1],
    "last pixel": [94.7, 62.9, 95.9, 63.9],
}


def random_rois(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, 2, generator=generator) * torch.tensor([110.0, 80.0]) - 8
    return torch.cat([corners.amin(1), corners.amax(1)], 1)


def pyramid(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Strides 4, 8, 16 of two 96 x 64 pictures, 3 channels."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(16, 24), (8, 12), (4, 6)]
    maps = [torch.randn(2, 3, *size, generator=generator) for size in sizes]
    return [m.to(dtype).requires_grad_() for m in maps]


def values_and_gradients(form: str, boxes, sampling: int, aligned: bool, size=(3, 2)):
    maps = pyramid()
    number = torch.arange(len(boxes))
    pooled = ops.roi_align_levels(
        maps, boxes, number % 2, number % 3, (4, 8, 16), size, sampling, aligned, form
    )
    weights = torch.linspace(-1, 1, pooled.numel()).reshape(pooled.shape)
    (pooled * weights).sum().backward()
    return pooled.detach(), [m.grad for m in maps]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [1, 2, 3])
@pytest.mark.parametrize("case", [*ROIS, "60 random"])
def test_roi_align_bag_equals_native(library, case, sampling, aligned):
    boxes = random_rois(60) if case == "60 random" else torch.tensor([ROIS[case]] * 3)
    expected, expected_gradients = values_and_gradients("native", boxes, sampling, aligned)
    got, gradients = values_and_gradients("bag", boxes, sampling, aligned)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.mmdet
@pytest.mark.parametrize("aligned", [True, False])
def test_adaptive_sampling_is_the_same_in_both_libraries(monkeypatch, aligned):
    mmcv_ops_or_skip()
    answers = []
    for name in ("mmcv", "torchvision"):
        monkeypatch.setenv("CASCADEKIT_OPS", name)
        answers.append(values_and_gradients("auto", random_rois(40), 0, aligned))
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-4, atol=1e-5)


def test_roi_align_adaptive_by_hand(library):
    # A ramp of 2 per column: a 4-pixel wide, 2-pixel high bin centred on x = 4 (pixel 3.5) has
    # mean 7, and the adaptive number of samples, 4 x 2, finds it exactly.
    ramp = torch.arange(8.0).mul(2).expand(1, 1, 8, 8)
    boxes = torch.tensor([[2.0, 3.0, 6.0, 5.0]])
    got = ops.roi_align(ramp, boxes, torch.tensor([0]), 1, 1.0, sampling_ratio=0)
    assert got.flatten().tolist() == pytest.approx([7.0])


@pytest.mark.parametrize("form", ["bag", "native"])
def test_roi_align_by_hand(form):
    feature = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    rows = [
        # aligned, the whole map, one sample: at pixel (0.5, 0.5), the mean of all four
        ([0.0, 0.0, 2.0, 2.0], True, 1.5),
        # not aligned: the sample is at pixel (1, 1)
        ([0.0, 0.0, 2.0, 2.0], False, 3.0),
        # aligned, sample at pixel (-0.75, -0.75): moved to the border
        ([-0.5, -0.5, 0.0, 0.0], True, 0.0),
        # aligned, sample at pixel (2, 2): on the limit, moved to the last pixel
        ([2.0, 2.0, 3.0, 3.0], True, 3.0),
        # aligned, sample at pixel (2.25, 1): beyond the limit
        ([2.5, 1.0, 3.0, 2.0], True, 0.0),
        # not aligned and empty: counts as one pixel, sample at pixel (0.5, 0.5)
        ([0.0, 0.0, 0.0, 0.0], False, 1.5),
    ]
    for box, aligned, expected in rows:
        got = ops.roi_align(
            feature, torch.tensor([box]), torch.tensor([0]), 1, 1.0, 1, aligned, form
        )
        assert got.item() == pytest.approx(expected), (box, aligned)


@pytest.mark.parametrize("form", ["bag", "native"])
def test_levels_take_each_roi_from_its_level_and_image(form):
    maps = [torch.zeros(2, 1, 16, 24), torch.zeros(2, 1, 8, 12)]
    for level, image in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        maps[level][image] = 10 * level + image
    levels, image_index = torch.tensor([1, 0, 1, 0, 0]), torch.tensor([1, 1, 0, 0, 1])
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0]]).repeat(5, 1)
    got = ops.roi_align_levels(maps, boxes, image_index, levels, (4, 8), 2, 2, form=form)
    assert got.shape == (5, 1, 2, 2)
    assert got[:, 0, 1, 0].tolist() == [11, 1, 10, 0, 1]


@pytest.mark.parametrize("form", ["bag", "native"])
def test_no_rois_stay_in_the_graph(library, form):
    maps = pyramid()
    none = torch.zeros(0, dtype=torch.int64)
    got = ops.roi_align_levels(maps, torch.zeros(0, 4), none, none, (4, 8, 16), 7, 2, form=form)
    assert got.shape == (0, 3, 7, 7)
    got.sum().backward()
    assert all(m.grad.count_nonzero() == 0 for m in maps)


@pytest.mark.parametrize("form", ["bag", "native"])
def test_a_level_without_rois_gets_a_zero_gradient(form):
    maps = pyramid()
    zero = torch.tensor([0])
    ops.roi_align_levels(
        maps, torch.tensor([[4.0, 4, 20, 20]]), zero, zero, (4, 8, 16), 2, 2, form=form
    ).sum().backward()
    assert maps[0].grad.sum().item() == pytest.approx(3 * 4)  # weights of a bin add up to 1
    assert maps[1].grad.count_nonzero() == maps[2].grad.count_nonzero() == 0


def test_channels_last_maps_give_the_same(library):
    boxes, zero = random_rois(20), torch.zeros(20, dtype=torch.int64)
    (feature, *_) = pyramid()
    expected = ops.roi_align(feature, boxes, zero, 3, 0.25, 2)
    for form in ("bag", "native"):
        last = feature.to(memory_format=torch.channels_last)
        got = ops.roi_align(last, boxes, zero, 3, 0.25, 2, form=form)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["bag", "native"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes(form, dtype):
    boxes, number = random_rois(200), torch.arange(200)
    wide, narrow = pyramid(), pyramid(dtype)
    expected, got = (
        ops.roi_align_levels(m, boxes, number % 2, number % 3, (4, 8, 16), 3, 2, form=form)
        for m in (wide, narrow)
    )
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), expected, rtol=0.02, atol=0.02)
    expected.sum().backward()
    got.sum().backward()
    # Some 600 bins of weight 1 over the 3 maps: summed in bfloat16 itself they would drown.
    for a, b in zip(narrow, wide, strict=True):
        assert a.grad.dtype == dtype
        torch.testing.assert_close(a.grad.float(), b.grad, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("form", ["bag", "native"])
def test_autocast_on_the_cpu(form):
    boxes, zero = random_rois(10), torch.zeros(10, dtype=torch.int64)
    conv = torch.nn.Conv2d(3, 5, 1)
    (image, *_) = pyramid()
    with torch.autocast("cpu", torch.bfloat16):
        got = ops.roi_align(conv(image), boxes, zero, 3, 0.25, 2, form=form)
    got.float().sum().backward()
    expected = ops.roi_align(conv(image), boxes, zero, 3, 0.25, 2, form=form)
    torch.testing.assert_close(got.float(), expected, rtol=0.05, atol=0.05)
    assert conv.weight.grad.isfinite().all() and conv.weight.grad.count_nonzero() > 0


def test_no_gradient_reaches_the_boxes():
    boxes = torch.tensor([[1.0, 1, 9, 9]], requires_grad=True)
    for form in ("bag", "native"):
        (feature, *_) = pyramid()
        ops.roi_align(feature, boxes, torch.tensor([0]), 2, 0.25, 2, form=form).sum().backward()
    assert boxes.grad is None


def test_nms_by_hand(library):
    # Rows B, A, C, D: IoU(A, B) = IoU(B, C) = 75 / 125, IoU(A, C) = 50 / 150, D is elsewhere.
    boxes = torch.tensor(
        [[2.5, 0, 12.5, 10], [0, 0, 10, 10], [5, 0, 15, 10], [30, 30, 40, 40]]
    ).float()
    scores = torch.tensor([0.8, 0.9, 0.7, 0.95])
    assert ops.nms(boxes, scores, 0.61).tolist() == [3, 1, 0, 2]
    assert ops.nms(boxes, scores, 0.5).tolist() == [3, 1, 2]  # B is gone before it can suppress C
    assert ops.nms(boxes, scores, 0.3).tolist() == [3, 1]
    assert ops.nms(boxes, scores, 0.3).dtype == torch.int64


@pytest.mark.parametrize(
    ("boxes", "scores", "expected"),
    [
        ([], [], []),
        ([[1, 1, 2, 2]], [0.5], [0]),
        # equal scores: the first of two equal boxes stays
        ([[0, 0, 4, 4], [0, 0, 4, 4], [9, 9, 12, 12]], [0.5, 0.5, 0.5], [0, 2]),
        # boxes without area: IoU is 0 / 0, nothing is suppressed
        ([[3, 3, 3, 3], [3, 3, 3, 3]], [0.1, 0.2], [1, 0]),
        # IoU exactly at the threshold (1/2) is kept
        ([[0, 0, 10, 10], [0, 0, 10, 5]], [0.9, 0.8], [0, 1]),
    ],
)
def test_nms_edges(library, boxes, scores, expected):
    got = ops.nms(torch.tensor(boxes).float().reshape(-1, 4), torch.tensor(scores), 0.5)
    assert got.tolist() == expected


def test_many_ties_come_in_input_order(library):
    boxes = torch.arange(500.0)[:, None].mul(10) + torch.tensor([0.0, 0, 5, 5])
    assert ops.nms(boxes, torch.ones(500), 0.5).tolist() == list(range(500))
    assert ops.batched_nms(boxes, torch.ones(500), torch.arange(500) % 7, 0.5).tolist() == list(
        range(500)
    )


def slow_nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> list[int]:
    """The definition, in three lines of Python."""
    kept: list[int] = []
    for row in scores.argsort(descending=True, stable=True).tolist():
        x1, y1, x2, y2 = boxes[row].tolist()
        for other in kept:
            u1, v1, u2, v2 = boxes[other].tolist()
            overlap = max(0.0, min(x2, u2) - max(x1, u1)) * max(0.0, min(y2, v2) - max(y1, v1))
            union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - overlap
            if overlap > threshold * union:
                break
        else:
            kept.append(row)
    return kept


def test_batched_nms_is_nms_per_group(library):
    boxes = random_rois(150, seed=3)
    generator = torch.Generator().manual_seed(4)
    scores = torch.rand(150, generator=generator).mul(20).round() / 20  # with ties
    groups = torch.randint(-2, 3, (150,), generator=generator) * 100
    kept = []
    for group in groups.unique():
        rows = (groups == group).nonzero().flatten()
        kept += rows[slow_nms(boxes[rows], scores[rows], 0.4)].tolist()
    expected = sorted(kept, key=lambda row: (-scores[row].item(), row))
    assert ops.batched_nms(boxes, scores, groups, 0.4).tolist() == expected
    # The way a GPU takes: one pass over boxes moved apart.
    order = scores.argsort(descending=True, stable=True)
    apart = ops._spread(boxes[order], groups[order])
    assert order[ops._nms_sorted(apart, 0.4)].tolist() == expected


def test_batched_nms_of_nothing(library):
    none = torch.zeros(0)
    got = ops.batched_nms(torch.zeros(0, 4), none, none.long(), 0.5)
    assert got.shape == (0,) and got.dtype == torch.int64
    assert ops._spread(torch.zeros(0, 4), none.long()).shape == (0, 4)


def test_groups_are_spread_over_a_square():
    """Ten groups of a 96 x 64 box take a grid of 4 x 3: float32 has to count to 4 x 97 only."""
    boxes = torch.tensor([ROIS["whole picture"]]).repeat(10, 1)
    groups = torch.tensor([7, -3, 0, 10**12, 5, 6, 8, 9, 11, 12])
    apart = ops._spread(boxes, groups)
    corners = {tuple(corner) for corner in apart[:, :2].tolist()}
    steps = [0.0, 97.0, 194.0, 291.0]
    assert len(corners) == 10 and all(x in steps and y in steps for x, y in corners)
    assert torch.equal(apart[:, 2:] - apart[:, :2], boxes[:, 2:] - boxes[:, :2])


# What an export is made of


def test_exportable_operations_give_the_same(monkeypatch):
    monkeypatch.setenv("CASCADEKIT_OPS", "no such library")  # not even read
    boxes, levels = random_rois(150, seed=5), torch.arange(150) % 3
    scores = (torch.arange(150) % 20) / 20  # with ties
    index = torch.zeros_like(levels)
    with ops.exportable():
        kept = ops.nms(boxes, scores, 0.4), ops.batched_nms(boxes, scores, levels, 0.4)
        pooled = ops.roi_align_levels(pyramid(), boxes, index, levels, (4, 8, 16), 7, 2)
    monkeypatch.delenv("CASCADEKIT_OPS")
    assert torch.equal(kept[0], ops.nms(boxes, scores, 0.4))
    assert torch.equal(kept[1], ops.batched_nms(boxes, scores, levels, 0.4))
    assert 20 < len(kept[0]) < len(kept[1]) < 150
    wanted = ops.roi_align_levels(pyramid(), boxes, index, levels, (4, 8, 16), 7, 2, form="native")
    assert torch.equal(pooled, wanted)


def test_exportable_operations_on_nothing_and_on_one_box():
    feature, none = torch.rand(1, 9, 8, 8), torch.zeros(0, dtype=torch.int64)
    one = torch.tensor([[0.0, 0, 8, 8]])
    with ops.exportable():
        for count, boxes in [(0, one[:0]), (1, one)]:
            index, scores = torch.zeros(count, dtype=torch.int64), torch.ones(count)
            expected = list(range(count))
            assert ops.nms(boxes, scores, 0.5).tolist() == expected
            assert ops.batched_nms(boxes, scores, index, 0.5).tolist() == expected
            assert ops.roi_align(feature, boxes, index, 3, 0.25, 2).shape == (count, 9, 3, 3)
            assert ops.roi_pool(feature, boxes, index, 3, 0.25).shape == (count, 9, 3, 3)
            assert ops.ps_roi_pool(feature, boxes, index, 3, 0.25).shape == (count, 1, 3, 3)
            assert ops.ps_roi_align(feature, boxes, index, 3, 0.25, 2).shape == (count, 1, 3, 3)
    assert ops.nms(one[:0], none.float(), 0.5).shape == (0,)  # as ever outside


def test_roi_pool_by_hand():
    # mmcv has no RoIPool for the CPU, so whatever is installed, this is torchvision.
    feature = torch.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
    boxes = torch.tensor([[0.0, 0, 6, 6], [4, 4, 7.9, 7.9]])
    zero = torch.zeros(2, dtype=torch.int64)
    got = ops.roi_pool(feature, boxes, zero, 2, 0.5)
    # scale 1/2: pixels 0..3 (both ends count) in 2 x 2 bins; then pixels 2..4 in bins of 1.5
    assert got[0, 0].tolist() == [[5, 7], [13, 15]]
    assert got[1, 0].tolist() == [[15, 15], [15, 15]]
    got[0].sum().backward()
    assert feature.grad.flatten().nonzero().flatten().tolist() == [5, 7, 13, 15]
    assert ops.roi_pool(feature, boxes[:0], zero[:0], 2, 0.5).shape == (0, 1, 2, 2)


@pytest.mark.mmdet
def test_mmcv_has_no_roi_pool_for_the_cpu(monkeypatch):
    mmcv_ops_or_skip()
    monkeypatch.setenv("CASCADEKIT_OPS", "mmcv")
    with pytest.raises(InputError, match="mmcv has no RoIPool for the CPU"):
        ops.roi_pool(torch.zeros(1, 1, 4, 4), torch.ones(1, 4), torch.tensor([0]), 2, 1.0)


def test_wrong_words_are_named(monkeypatch):
    feature, box, zero = torch.zeros(1, 1, 4, 4), torch.ones(1, 4), torch.tensor([0])
    with pytest.raises(InputError, match=r"form 'bags'.*Did you mean 'bag'"):
        ops.roi_align(feature, box, zero, 2, 1.0, 2, form="bags")
    with pytest.raises(InputError, match="set sampling_ratio to 1 or more"):
        ops.roi_align(feature, box, zero, 2, 1.0, 0, form="bag")
    monkeypatch.setenv("CASCADEKIT_OPS", "torchvison")
    with pytest.raises(
        InputError, match=r"CASCADEKIT_OPS='torchvison'.*Did you mean 'torchvision'"
    ):
        ops.nms(box, torch.ones(1), 0.5)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"boxes must be \(N, 4\), got \(5,\)"):
        ops.nms(torch.zeros(5), torch.zeros(5), 0.5)
    with pytest.raises(ValueError, match=r"scores must be \(2,\), got \(3,\)"):
        ops.nms(torch.zeros(2, 4), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match="1 feature maps but 2 strides"):
        zero = torch.zeros(0, dtype=torch.int64)
        ops.roi_align_levels(pyramid()[:1], torch.zeros(0, 4), zero, zero, (4, 8), 7, 2)


def test_absent_mmcv_falls_back_or_says_so(monkeypatch):
    error = "No module named 'mmcv._ext'"
    real = ops_kernels.import_kernels
    monkeypatch.setattr(
        ops_kernels,
        "import_kernels",
        lambda library: (None, error) if library == "mmcv" else real(library),
    )
    assert ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5).tolist() == [0]
    text = ops.describe_backends()
    assert text.startswith("cpu: NMS and RoI pooling from torchvision") and error in text
    monkeypatch.setenv("CASCADEKIT_OPS", "mmcv")
    with pytest.raises(InputError, match=r"_ext.*tools/build_mmcv_ops.py"):
        ops.describe_backends()


def test_describe_backends(library, monkeypatch):
    text = ops.describe_backends("cpu")
    assert text.startswith(f"cpu: NMS and RoI pooling from {library} ")
    assert "forced by CASCADEKIT_OPS" in text and "embedding bag" in text
    monkeypatch.setenv("CASCADEKIT_ROI_ALIGN", "native")
    assert "embedding bag" not in ops.describe_backends("cpu")


def test_importing_ops_imports_no_library():
    code = "import sys, cascadekit.ops; print({'mmcv', 'torchvision'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
