"""Position-sensitive pooling and deformable convolution against loops that spell them out."""

from __future__ import annotations

import math
import os
from importlib import import_module

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cascadekit import ops
from cascadekit.errors import InputError

torchvision_ops = pytest.importorskip("torchvision.ops")


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


@pytest.fixture(params=["torchvision", pytest.param("mmcv", marks=pytest.mark.mmdet)])
def library(request, monkeypatch):
    if request.param == "mmcv":
        mmcv_ops_or_skip()
    monkeypatch.setenv("CASCADEKIT_OPS", request.param)
    return request.param


# Boxes on a 96 x 64 (width x height) picture, whose map of stride 8 is 12 x 8.
ROIS = torch.tensor(
    [
        [10.3, 7.9, 61.2, 43.3],  # inside
        [24.0, 16.0, 32.0, 24.0],  # one map pixel
        [33.3, 21.7, 33.5, 21.8],  # far smaller
        [50.2, 30.1, 50.2, 30.1],  # no area
        [50.2, 30.1, 50.2, 55.7],  # no width
        [-17.3, -9.1, 42.2, 39.4],  # across the left and upper border
        [70.3, 41.1, 123.4, 99.9],  # across the right and lower border
        [200.1, 150.3, 260.2, 190.7],  # outside
        [-90.3, -80.1, -40.2, -33.3],  # outside, negative
        [0.0, 0.0, 96.0, 64.0],  # whole picture
        [88.0, 56.0, 96.0, 64.0],  # the last map pixel
        [-500.7, -411.3, 707.9, 611.1],  # far larger than the picture
    ]
)
IMAGES = torch.arange(len(ROIS)) % 2
STRIDE = 8
MAP = (8, 12)
SIZES = [(3, 2), (1, 1), (7, 7)]


def score_maps(channels: int, size: tuple[int, int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, channels * size[0] * size[1], *MAP, generator=generator)


def half_up(x: float) -> int:
    """C's round: halves away from zero."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def slow_ps_pool(feature: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mean of the pixels of each bin, bin (row, column) from its own channels."""
    height, width = size
    channels = feature.shape[1] // (height * width)
    out = np.zeros((len(ROIS), channels, height, width))
    for r, (box, image) in enumerate(zip(ROIS.numpy(), IMAGES.tolist(), strict=True)):
        x1, y1, x2, y2 = (half_up(float(np.float32(side) / STRIDE)) for side in box)
        tall, wide = max(y2 - y1, 1), max(x2 - x1, 1)
        for c in range(channels):
            for row in range(height):
                for column in range(width):
                    top = max(y1 + row * tall // height, 0)
                    bottom = min(y1 - (-(row + 1) * tall // height), MAP[0])
                    left = max(x1 + column * wide // width, 0)
                    right = min(x1 - (-(column + 1) * wide // width), MAP[1])
                    if bottom > top and right > left:
                        plane = feature[image, (c * height + row) * width + column]
                        out[r, c, row, column] = plane[top:bottom, left:right].mean()
    return out


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    """0 more than a pixel outside; closer, moved to the border. As RoIAlign reads."""
    if not (-1 <= y <= plane.shape[0] and -1 <= x <= plane.shape[1]):
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    y0, x0 = min(int(y), plane.shape[0] - 1), min(int(x), plane.shape[1] - 1)
    y1, x1 = min(y0 + 1, plane.shape[0] - 1), min(x0 + 1, plane.shape[1] - 1)
    dy, dx = (y - y0 if y1 > y0 else 0.0), (x - x0 if x1 > x0 else 0.0)
    upper = plane[y0, x0] * (1 - dx) + plane[y0, x1] * dx
    lower = plane[y1, x0] * (1 - dx) + plane[y1, x1] * dx
    return float(upper * (1 - dy) + lower * dy)


def slow_ps_align(feature: np.ndarray, size: tuple[int, int], sampling: int) -> np.ndarray:
    """The mean of bilinear samples in each bin, which reads its own channels."""
    height, width = size
    channels = feature.shape[1] // (height * width)
    out = np.zeros((len(ROIS), channels, height, width))
    for r, (box, image) in enumerate(zip(ROIS.numpy(), IMAGES.tolist(), strict=True)):
        x1, y1, x2, y2 = (float(side) / STRIDE - 0.5 for side in box)
        step_y, step_x = (y2 - y1) / height, (x2 - x1) / width
        down = sampling or math.ceil(step_y)
        across = sampling or math.ceil(step_x)
        if not down * across:
            continue
        for c in range(channels):
            for row in range(height):
                for column in range(width):
                    plane = feature[image, (c * height + row) * width + column]
                    ys = [y1 + (row + (i + 0.5) / down) * step_y for i in range(down)]
                    xs = [x1 + (column + (i + 0.5) / across) * step_x for i in range(across)]
                    total = sum(bilinear(plane, y, x) for y in ys for x in xs)
                    out[r, c, row, column] = total / (down * across)
    return out


@pytest.mark.parametrize("size", SIZES)
def test_ps_pool_is_the_loop(size):
    feature = score_maps(2, size)
    got = ops.ps_roi_pool(feature, ROIS, IMAGES, size, 1 / STRIDE)
    expected = torch.from_numpy(slow_ps_pool(feature.double().numpy(), size)).float()
    assert expected.count_nonzero() > expected.numel() / 3
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_ps_pool_equals_torchvision_away_from_the_end_of_the_map(size):
    feature = score_maps(3, size)
    rois = torch.cat([IMAGES[:, None].float(), ROIS], 1)
    theirs = torchvision_ops.ps_roi_pool(feature, rois, size, 1 / STRIDE)
    ours = ops.ps_roi_pool(feature, ROIS, IMAGES, size, 1 / STRIDE)
    ends_before = (ROIS[:, 2:] / STRIDE < torch.tensor([MAP[1], MAP[0]]) - 1.5).all(1)
    assert ends_before.sum() == 6
    assert torch.equal(ours[ends_before], theirs[ends_before])
    # The last pixel is 0 there (no bin may include it), and read here.
    last = ROIS.tolist().index([88, 56, 96, 64])
    assert theirs[last].count_nonzero() == 0
    assert torch.equal(ours[last].flatten(), feature[IMAGES[last], :, -1, -1])


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("size", SIZES[:2])
def test_ps_align_is_the_loop(size, sampling):
    feature = score_maps(2, size)
    got = ops.ps_roi_align(feature, ROIS, IMAGES, size, 1 / STRIDE, sampling)
    expected = slow_ps_align(feature.double().numpy(), size, sampling)
    torch.testing.assert_close(got, torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sampling", [0, 2])
def test_ps_align_equals_torchvision(sampling):
    feature = score_maps(3, (7, 7))
    rois = torch.cat([IMAGES[:, None].float(), ROIS], 1)
    theirs = torchvision_ops.ps_roi_align(feature, rois, 7, 1 / STRIDE, sampling or -1)
    ours = ops.ps_roi_align(feature, ROIS, IMAGES, 7, 1 / STRIDE, sampling)
    # Adaptive sampling takes no samples in an empty box: NaN there, 0 here.
    empty = ((ROIS[:, 2:] - ROIS[:, :2]) <= 0).any(1)
    assert theirs.isnan().flatten(1).any(1).equal(empty if sampling == 0 else empty & False)
    assert torch.equal(ours, theirs.nan_to_num(0))


def test_ps_by_hand():
    # 2 x 2 bins of 1 output channel: channels are rows * 2 + columns. The roi is the 4 x 4 map, bin
    # (row, column) holds pixels 2 row .. 2 row + 1 and 2 column .. 2 column + 1 of its channel.
    ramp = torch.arange(16.0).reshape(4, 4)
    feature = (ramp + 100 * torch.arange(4.0)[:, None, None])[None].requires_grad_()
    box, zero = torch.tensor([[0.0, 0, 32, 32]]), torch.tensor([0])
    pooled = ops.ps_roi_pool(feature, box, zero, 2, 1 / 8)
    assert pooled.tolist() == [[[[2.5, 104.5], [210.5, 312.5]]]]
    # One sample in the middle of each bin, which is the corner of four pixels: the same mean.
    aligned = ops.ps_roi_align(feature, box, zero, 2, 1 / 8, 1)
    assert aligned.tolist() == pooled.tolist()
    pooled[0, 0, 1, 0].backward()
    expected = torch.zeros(4, 4, 4)
    expected[2, 2:, :2] = 1 / 4
    assert torch.equal(feature.grad[0], expected)


@pytest.mark.parametrize("sampling", [None, 0, 2])
def test_ps_gradients(sampling):
    """Numerical derivatives in double precision, over boxes inside, outside and without area."""
    feature = score_maps(1, (2, 2))[:1].double().requires_grad_()
    zero = torch.zeros(len(ROIS), dtype=torch.int64)

    def run(maps):
        if sampling is None:
            return ops.ps_roi_pool(maps, ROIS, zero, 2, 1 / STRIDE)
        return ops.ps_roi_align(maps, ROIS[:-1], zero[:-1], 2, 1 / STRIDE, sampling)

    assert torch.autograd.gradcheck(run, feature, fast_mode=True)


@pytest.mark.parametrize("sampling", [None, 0, 2])
def test_ps_of_no_rois_stays_in_the_graph(sampling):
    feature = score_maps(5, (7, 7)).requires_grad_()
    boxes, none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    if sampling is None:
        pooled = ops.ps_roi_pool(feature, boxes, none, 7, 1 / 8)
    else:
        pooled = ops.ps_roi_align(feature, boxes, none, 7, 1 / 8, sampling)
    assert pooled.shape == (0, 5, 7, 7)
    pooled.sum().backward()
    assert feature.grad.count_nonzero() == 0


@pytest.mark.parametrize("sampling", [None, 2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_ps_in_other_dtypes(sampling, dtype):
    feature = score_maps(2, (3, 3)).to(dtype)
    # Half precision would round 2049 to 2048, and the box begin at 4.499 instead of 4.501.
    boxes, scale = torch.tensor([[2049.0, 455.0, 4097.0, 2731.0]]), 9 / 4097

    def run(maps):
        if sampling is None:
            return ops.ps_roi_pool(maps, boxes, torch.tensor([1]), 3, scale)
        return ops.ps_roi_align(maps, boxes, torch.tensor([1]), 3, scale, sampling)

    got, expected = run(feature), run(feature.double())
    assert got.dtype == dtype and expected.count_nonzero() > 0
    torch.testing.assert_close(got.double(), expected, rtol=1e-2, atol=1e-3)


def test_boxes_get_no_gradient():
    boxes = ROIS.clone().requires_grad_()
    feature = score_maps(1, (2, 2)).requires_grad_()
    for pooled in (
        ops.ps_roi_pool(feature, boxes, IMAGES, 2, 1 / 8),
        ops.ps_roi_align(feature, boxes, IMAGES, 2, 1 / 8, 2),
    ):
        pooled.sum().backward()
    assert boxes.grad is None and feature.grad.count_nonzero() > 0


def test_wrong_shapes_for_pooling():
    box, zero = torch.ones(1, 4), torch.tensor([0])
    with pytest.raises(ValueError, match=r"must be \(B, C \* 3 \* 2, H, W\), got \(1, 8, 4, 4\)"):
        ops.ps_roi_pool(torch.zeros(1, 8, 4, 4), box, zero, (3, 2), 1.0)
    with pytest.raises(ValueError, match=r"C \* 3 \* 3, H, W\), got \(1, 8, 4, 4\)"):
        ops.ps_roi_align(torch.zeros(1, 8, 4, 4), box, zero, 3, 1.0, 2)
    with pytest.raises(ValueError, match=r"image_index must be \(1,\), got \(2,\)"):
        ops.ps_roi_pool(torch.zeros(1, 9, 4, 4), box, torch.zeros(2), 3, 1.0)


@pytest.mark.mmdet
def test_mmcv_has_no_position_sensitive_pooling(monkeypatch):
    mmcv_ops_or_skip()
    monkeypatch.setenv("CASCADEKIT_OPS", "mmcv")
    with pytest.raises(InputError, match="mmcv has no position-sensitive pooling"):
        ops.ps_roi_pool(torch.zeros(1, 9, 4, 4), torch.ones(1, 4), torch.tensor([0]), 3, 1.0)


# Deformable convolution.

LAYERS = {
    "plain": dict(),
    "strided": dict(stride=2, padding=1),
    "dilated": dict(padding=2, dilation=2),
    "uneven": dict(stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
    "grouped": dict(padding=1, groups=2, deform_groups=2),
    "one group of four, two deformable": dict(padding=1, deform_groups=2),
}


def as_pair(value) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def layer_inputs(settings, masked=True, kernel=(3, 2), size=(6, 7), channels=(4, 6)):
    """x, offset, weight, bias, mask of a small layer; offsets reach beyond the border."""
    generator = torch.Generator().manual_seed(2)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    out = [
        (size[i] + 2 * padding - dilation * (kernel[i] - 1) - 1) // stride + 1
        for i, (stride, padding, dilation) in enumerate(
            zip(
                as_pair(settings.get("stride", 1)),
                as_pair(settings.get("padding", 0)),
                as_pair(settings.get("dilation", 1)),
                strict=True,
            )
        )
    ]
    taps = settings.get("deform_groups", 1) * kernel[0] * kernel[1]
    return (
        draw(2, channels[0], *size),
        draw(2, 2 * taps, *out) * 2,
        draw(channels[1], channels[0] // settings.get("groups", 1), *kernel),
        draw(channels[1]),
        draw(2, taps, *out).sigmoid() if masked else None,
    )


def zero_outside(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear sample of a plane that is surrounded by zeros."""
    total, y0, x0 = 0.0, math.floor(y), math.floor(x)
    for i, weight_y in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
        for j, weight_x in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
            if 0 <= i < plane.shape[0] and 0 <= j < plane.shape[1]:
                total += weight_y * weight_x * plane[i, j]
    return total


def slow_deform_conv(x, offset, weight, bias, mask, settings) -> np.ndarray:
    """The sum over taps and channels, one output pixel after the other."""
    stride, padding, dilation = (
        as_pair(settings.get(name, usual))
        for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    groups, deform_groups = settings.get("groups", 1), settings.get("deform_groups", 1)
    channels_out, per_group, kh, kw = weight.shape
    out = np.zeros((len(x), channels_out, *offset.shape[2:]))
    out += bias[None, :, None, None]
    for b, o, y, column in np.ndindex(*out.shape):
        group = o // (channels_out // groups)
        for c in range(per_group):
            source = group * per_group + c
            mover = source // (x.shape[1] // deform_groups)
            for i, j in np.ndindex(kh, kw):
                tap = mover * kh * kw + i * kw + j
                at_y = y * stride[0] - padding[0] + i * dilation[0] + offset[b, 2 * tap, y, column]
                at_x = column * stride[1] - padding[1] + j * dilation[1]
                at_x += offset[b, 2 * tap + 1, y, column]
                value = zero_outside(x[b, source], at_y, at_x) * weight[o, c, i, j]
                out[b, o, y, column] += value * (1 if mask is None else mask[b, tap, y, column])
    return out


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_deform_conv_is_the_loop(library, name, masked):
    inputs = layer_inputs(LAYERS[name], masked, size=(4, 5))
    x, offset, weight, bias, mask = inputs
    got = ops.deform_conv2d(x, offset, weight, bias, mask=mask, **LAYERS[name])
    slow = [None if t is None else t.double().numpy() for t in inputs]
    expected = torch.from_numpy(slow_deform_conv(*slow, LAYERS[name])).float()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.mmdet
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_deform_conv_is_the_same_in_both_libraries(monkeypatch, name, masked):
    """Values and all gradients; v1 also against mmcv's own kernel for v1."""
    mmcv_ops = mmcv_ops_or_skip()
    answers = []
    for library in ("mmcv", "torchvision", "mmcv's v1"):
        inputs = [None if t is None else t.requires_grad_() for t in layer_inputs(LAYERS[name])]
        x, offset, weight, bias, mask = inputs
        if not masked:
            inputs = inputs[:4]
        if library != "mmcv's v1":
            monkeypatch.setenv("CASCADEKIT_OPS", library)
            masks = mask if masked else None
            out = ops.deform_conv2d(x, offset, weight, bias, mask=masks, **LAYERS[name])
        elif not masked:
            steps = [LAYERS[name].get(k, d) for k, d in zip(STEPS, (1, 0, 1, 1, 1), strict=True)]
            out = mmcv_ops.deform_conv2d(x, offset, weight, *steps) + bias[:, None, None]
        else:
            continue
        (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape)).sum().backward()
        answers.append([out.detach(), *(t.grad for t in inputs)])
    assert len(answers) == (2 if masked else 3)
    for other in answers[1:]:
        for ours, theirs in zip(answers[0], other, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


STEPS = ("stride", "padding", "dilation", "groups", "deform_groups")


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["strided", "grouped"])
def test_deform_conv_gradients(name, masked):
    """Numerical derivatives in double precision, of all inputs."""
    inputs = [t for t in layer_inputs(LAYERS[name], masked, size=(4, 4)) if t is not None]
    inputs = [t.double().requires_grad_() for t in inputs]

    def run(x, offset, weight, bias, mask=None):
        return ops.deform_conv2d(x, offset, weight, bias, mask=mask, **LAYERS[name])

    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (6, 7)])
@pytest.mark.parametrize("name", ["strided", "grouped"])
def test_without_offsets_it_is_a_convolution(library, name, size):
    """Also on maps smaller than the kernel, which mmcv's kernel for v1 refuses."""
    settings = LAYERS[name]
    x, offset, weight, bias, _ = layer_inputs(settings, kernel=(3, 3), size=size)
    got = ops.deform_conv2d(x, torch.zeros_like(offset), weight, bias, **settings)
    plain = {k: v for k, v in settings.items() if k != "deform_groups"}
    torch.testing.assert_close(got, F.conv2d(x, weight, bias, **plain), rtol=1e-4, atol=1e-5)


def test_whole_offsets_shift_by_hand(library):
    # A 1 x 1 kernel of weight 2 whose tap is sent one row down and two columns right, then half a
    # column: means of neighbours. Outside is 0.
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    weight = torch.full((1, 1, 1, 1), 2.0)
    for (dy, dx), expected in [
        ((1.0, 2.0), [[12, 14, 0, 0], [20, 22, 0, 0], [0, 0, 0, 0]]),
        ((0.0, 0.5), [[1, 3, 5, 3], [9, 11, 13, 7], [17, 19, 21, 11]]),
    ]:
        offset = torch.tensor([dy, dx])[None, :, None, None].expand(1, 2, 3, 4)
        assert ops.deform_conv2d(x, offset, weight)[0, 0].tolist() == expected


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_deform_conv_in_other_dtypes(library, dtype, masked):
    inputs = layer_inputs(LAYERS["grouped"], masked)
    x, *others = (None if t is None else t.to(dtype) for t in inputs)
    got = ops.deform_conv2d(x, *others[:3], mask=others[3], **LAYERS["grouped"])
    wide = [None if t is None else t.double() for t in (x, *others)]
    expected = ops.deform_conv2d(*wide[:4], mask=wide[4], **LAYERS["grouped"])
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), expected, rtol=1e-2, atol=1e-2)


def test_under_autocast(library):
    """The offsets' own convolution gives bfloat16 there; weights stay float32."""
    x, offset, weight, bias, mask = layer_inputs(LAYERS["grouped"])
    expected = ops.deform_conv2d(x, offset, weight, bias, mask=mask, **LAYERS["grouped"])
    narrow = [t.bfloat16() for t in (offset, mask)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = ops.deform_conv2d(
            x.bfloat16(), narrow[0], weight, bias, mask=narrow[1], **LAYERS["grouped"]
        )
    assert got.dtype == torch.bfloat16
    assert (got.float() - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(x=torch.zeros(4, 6, 7)), r"x must be \(B, C, H, W\).*got \(4, 6, 7\)"),
        (dict(x=torch.zeros(2, 5, 6, 7)), "does not fit 5 channels in 2 groups"),
        (dict(deform_groups=3), "4 channels are no multiple of deform_groups=3"),
        (dict(deform_groups=1), r"offset must be \(2, 12, 6, 8\), got \(2, 24, 6, 8\)"),
        (dict(stride=2), r"offset must be \(2, 24, 3, 4\), got \(2, 24, 6, 8\)"),
        (dict(mask=torch.zeros(2, 24, 6, 8)), r"mask must be \(2, 12, 6, 8\)"),
    ],
)
def test_wrong_shapes_for_deform_conv(change, message):
    x, offset, weight, bias, mask = layer_inputs(LAYERS["grouped"])
    given = dict(x=x, offset=offset, weight=weight, bias=bias, mask=mask)
    with pytest.raises(ValueError, match=message):
        ops.deform_conv2d(**{**given, **LAYERS["grouped"], **change})
