"""Means by IoU."""

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.iou_bins import (
    BinnedMeans,
    bin_edges,
    binned_means,
    clear_winners,
    curve_colors,
    draw_counts,
    draw_means,
    turns_negative,
)
from cascadekit.visualization.plots import LINE_COLORS, STAGE_COLORS, new_plots

NAN = float("nan")


@pytest.mark.parametrize(
    ("start", "width", "edges"),
    [
        (0.5, 0.25, [0.5, 0.75, 1.0]),
        (0.0, 0.5, [0.0, 0.5, 1.0]),
        (0.7, 0.1, [0.7, 0.8, 0.9, 1.0]),  # 0.3 / 0.1 is not quite 3
    ],
)
def test_edges(start, width, edges):
    assert bin_edges(start, width).tolist() == pytest.approx(edges)


@pytest.mark.parametrize(
    ("start", "width", "message"),
    [
        (0.5, 0.03, "width 0.03 do not fill the IoUs from 0.5 to 1"),
        (0.5, 0.0, "width 0 do not fill"),
        (0.5, -0.1, "width -0.1 do not fill"),
        (1.0, 0.1, "from 0 up to below 1, got 1"),
    ],
)
def test_edges_that_do_not_fit(start, width, message):
    with pytest.raises(InputError, match=message):
        bin_edges(start, width)


def means(ious, values, images=None, num_images=1, width=0.1):
    where = np.zeros(len(ious), int) if images is None else np.array(images)
    ious = np.array(ious, np.float32)
    return binned_means(ious, np.array(values, float), where, num_images, bin_edges(0.5, width))


def test_means():
    # 0.7 belongs to the bin that it begins, in float32 too; 1 to the last; 0.49 to none.
    bins = means([0.49, 0.5, 0.59, 0.7, 0.99, 1.0], [9, 1, 2, 5, 3, 4])
    assert bins.count.tolist() == [2, 0, 1, 0, 2]
    assert bins.mean.tolist() == pytest.approx([1.5, NAN, 5, NAN, 3.5], nan_ok=True)
    assert bins.middles.tolist() == pytest.approx([0.55, 0.65, 0.75, 0.85, 0.95])
    assert bins.images.tolist() == [1, 0, 1, 0, 1]
    assert not bins.known.any()  # fewer than ten each


def test_bands():
    # Ten images with one roi in the first bin; the last four have one in the second, too.
    images = [*range(10), 6, 7, 8, 9]
    bins = means([0.5] * 10 + [0.6] * 4, [0.0] * 5 + [1.0] * 9, images, 10)
    assert bins.known.tolist() == [True, False, False, False, False]
    assert 0.1 <= bins.low[0] <= 0.3 and 0.7 <= bins.high[0] <= 0.9
    assert np.isnan(bins.low[1:]).all() and np.isnan(bins.high[1:]).all()  # 4 images are too few


def test_bins_without_rois_or_images():
    for images in (0, 3):
        bins = means([], [], num_images=images)
        assert bins.count.tolist() == [0] * 5 and np.isnan(bins.mean).all()


def curve(mean, half=0.0, count=20, width=0.1):
    mean = np.array(mean, float)
    counts = np.broadcast_to(count, mean.shape)
    return BinnedMeans(bin_edges(0.5, width), counts, counts, mean, mean - half, mean + half)


@pytest.mark.parametrize(
    ("mean", "count", "place"),
    [
        ([0.3, 0.1, 0.1, -0.1, -0.2], 20, 0.8),  # half way from 0.75 to 0.85
        ([0.3, 0.2, 0.1, 0.3, -0.1], 20, 0.925),  # three quarters of the way to 0.95
        ([0.1, -0.1, 0.1, 0.0, -0.1], 20, 0.85),  # the last time counts; 0 is no loss
        ([0.1, 0.1, 0.1, 0.1, 0.1], 20, None),
        ([-0.1, -0.1, 0.1, 0.1, 0.0], 20, None),  # good again at the end
        ([-0.1, -0.2, -0.1, -0.1, -0.3], 20, 0.55),  # bad from the first point on
        ([0.1, 0.1, 0.1, 0.1, -0.1], [20, 20, 20, 20, 9], None),  # too few in the last bin
        ([0.1, NAN, NAN, -0.1, -0.1], [20, 0, 0, 20, 20], 0.7),  # across empty bins
        ([NAN] * 5, 0, None),
    ],
)
def test_where_a_curve_turns_negative(mean, count, place):
    bins = curve(mean, count=count)
    assert turns_negative(bins, bins.middles) == (None if place is None else pytest.approx(place))


def test_clear_winners():
    first, second = curve([0.5, 0.5, 0.5, 0.6, 0.9]), curve([0.6, 0.7, 0.5, 0.5, 0.8])
    for highest, names in ((True, ["a", "b"]), (False, ["b", "a"])):
        runs = clear_winners(names, [first, second], highest)
        assert [name for name, _, _ in runs] == ["b", "a"]
        # Equal in the middle: no winner from 0.7 to 0.8.
        assert np.ravel([run[1:] for run in runs]).tolist() == pytest.approx([0.5, 0.7, 0.8, 1.0])


@pytest.mark.parametrize(
    "others",
    [
        [],  # alone
        [curve([0.6] * 5, half=0.15)],  # the bands touch
        [curve([0.6] * 5, half=NAN)],  # no band
        [curve([0.6] * 5, count=9)],  # too few rois
        [curve([0.6] * 5), curve([0.61] * 5, half=0.02)],  # clear of the first, not of the third
    ],
)
def test_no_clear_winner(others):
    curves = [curve([0.5] * 5), *others]
    assert clear_winners("abc"[: len(curves)], curves) == []


def test_drawing():
    _, (axes,) = new_plots(["t"], "IoU")
    bins = curve([0.1, 0.2, NAN, 0.3, 0.4], half=0.05, count=[20, 9, 0, 20, 1000])
    draw_means(axes, bins, "#0072B2", "name")
    (line,) = axes.lines
    assert line.get_xdata().tolist() == pytest.approx([0.55, 0.65, 0.85, 0.95])
    assert line.get_ydata().tolist() == [0.1, 0.2, 0.3, 0.4] and line.get_label() == "name"
    _, full, hollow = axes.collections  # the band comes first
    assert full.get_offsets()[:, 1].tolist() == [0.1, 0.3, 0.4]
    assert hollow.get_offsets()[:, 1].tolist() == [0.2]
    assert hollow.get_facecolor()[0, :3].tolist() == [1, 1, 1]
    draw_counts(axes, [bins, bins], ["red", "blue"])
    strip = axes.figure.axes[1]
    assert [bar.get_height() for bar in strip.patches] == [20, 9, 0, 20, 1000] * 2
    assert strip.get_ylim()[1] > 5 * 1000  # a strip, not the whole plot
    assert axes.get_xlabel() == "IoU\nbars: boxes per bin, up to 1,000"


def test_one_strip_for_curves_of_the_same_boxes():
    _, (axes,) = new_plots(["t"])
    draw_counts(axes, [curve([0.1] * 5)] * 3, ["red", "green", "blue"], shared=True)
    assert len(axes.figure.axes[1].patches) == 5


@pytest.mark.parametrize(
    ("by", "colors"),
    [
        ("stage", [STAGE_COLORS[0], STAGE_COLORS[1]]),
        ("head", [STAGE_COLORS[2], STAGE_COLORS[2]]),
        ("detector", [LINE_COLORS[0], LINE_COLORS[1]]),
    ],
)
def test_colors(by, colors):
    assert curve_colors(by, [(0, 2), (1, 2)]) == colors
    assert curve_colors(by, []) == []


def test_drawing_nothing():
    _, (axes,) = new_plots(["t"])
    draw_means(axes, curve([NAN] * 5, count=0), "red", "none")
    draw_counts(axes, [curve([NAN] * 5, count=0)], ["red"])
    assert [text.get_text() for text in axes.texts] == ["no boxes"]
    draw_counts(axes, [], [], shared=True)
    assert len(axes.texts) == 2
