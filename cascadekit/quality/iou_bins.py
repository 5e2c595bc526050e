"""Means by IoU: what becomes of rois that enter a head at a given IoU, with bands and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from cascadekit.errors import InputError
from cascadekit.quality.image_bootstrap import FEW_IMAGES, band, resampled_means
from cascadekit.visualization.canvas import QUIET, points
from cascadekit.visualization.plots import LINE_COLORS, stage_color

FEW = 10  # rois; a bin with fewer is drawn hollow and decides nothing
STRIP = 0.14  # share of a plot's height for the bars of counts


@dataclass(frozen=True)
class BinnedMeans:
    """A mean for each bin of IoU; B bins.

    Attributes:
        edges: (B + 1,) float64, ascending; a bin has its lower edge, the last one both.
        count: (B,) int64, rois in the bin; may be 0.
        images: (B,) int64, images they come from.
        mean: (B,) float64, nan for an empty bin.
        low: (B,) float64, lower end of the 95 % band over images; nan where fewer than five
            images have rois in the bin.
        high: (B,) float64, upper end.
    """

    edges: np.ndarray
    count: np.ndarray
    images: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def middles(self) -> np.ndarray:
        """(B,) float64, the middle of each bin."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def known(self) -> np.ndarray:
        """(B,) bool, bins with enough rois to say something."""
        return self.count >= FEW


def bin_edges(start: float, width: float) -> np.ndarray:
    """Edges of equal bins from `start` to 1.

    Args:
        start: lowest IoU, in [0, 1).
        width: of a bin; a whole number of bins must fit.

    Returns:
        (B + 1,) float64.

    Raises:
        InputError: they do not fit.
    """
    if not 0 <= start < 1:
        raise InputError(f"start is an IoU from 0 up to below 1, got {start:g}")
    bins = round((1 - start) / width) if width > 0 else 0
    if bins < 1 or abs(bins * width - (1 - start)) > 1e-6:
        raise InputError(
            f"bins of width {width:g} do not fill the IoUs from {start:g} to 1; take a width that "
            f"divides {1 - start:g}, e.g. {(1 - start) / 10:g}"
        )
    return np.linspace(start, 1, bins + 1)


def place_in_bins(ious: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of the bin that each IoU falls in.

    Args:
        ious: (R,) float32; R may be 0.
        edges: (B + 1,) ascending; a bin has its lower edge, the last one both.

    Returns:
        (R,) int64, 0..B-1; -1 outside the edges.
    """
    bins = len(edges) - 1
    # Edges as float32, like the IoUs: else 0.7 would fall below the edge 0.7.
    place = np.searchsorted(edges.astype(np.float32), ious, side="right") - 1
    place[ious == np.float32(edges[-1])] = bins - 1
    return np.where(place < bins, place, -1)


def binned_means(
    ious: np.ndarray,
    values: np.ndarray,
    images: np.ndarray,
    num_images: int,
    edges: np.ndarray,
    seed: int = 0,
) -> BinnedMeans:
    """Average values by IoU.

    Args:
        ious: (R,) float32 in [0, 1]; those outside the edges are left out. R may be 0.
        values: (R,) what is averaged.
        images: (R,) int64, the number of the image that each is from, 0..num_images - 1.
        num_images: images in all; those without rois are drawn too.
        edges: (B + 1,) ascending.
        seed: of the bootstrap over images.

    Returns:
        Means with their bands.
    """
    bins = len(edges) - 1
    place = place_in_bins(ious, edges)
    inside = place >= 0
    cells = (images * bins + place)[inside]
    counts = np.bincount(cells, minlength=num_images * bins).reshape(num_images, bins)
    sums = np.bincount(cells, values[inside].astype(np.float64), num_images * bins)
    sums = sums.reshape(num_images, bins)
    count, sources = counts.sum(0), (counts > 0).sum(0)
    with np.errstate(invalid="ignore"):
        mean = sums.sum(0) / count
    low, high = band(resampled_means(sums, counts, seed))
    low[sources < FEW_IMAGES] = high[sources < FEW_IMAGES] = np.nan
    return BinnedMeans(edges, count, sources, mean, low, high)


def clear_winners(
    names: Sequence[str], curves: Sequence[BinnedMeans], highest: bool = True
) -> list[tuple[str, float, float]]:
    """In which bins one curve beats all others so clearly that the bands do not touch.

    Args:
        names: of the curves.
        curves: on the same edges.
        highest: whether more is better.

    Returns:
        (name, from IoU, to IoU) for each run of bins with one winner, in ascending order; a name
        may come again. Bins where a curve has few rois have no winner.
    """
    runs: list[tuple[str, float, float]] = []
    if len(curves) < 2:
        return runs
    sign = 1 if highest else -1
    edges = curves[0].edges
    for b in range(len(edges) - 1):
        if not all(curve.known[b] for curve in curves):
            continue
        first, *others = sorted(range(len(curves)), key=lambda c: -sign * curves[c].mean[b])
        bands = [sorted((sign * c.low[b], sign * c.high[b])) for c in curves]
        if not all(bands[first][0] > bands[other][1] for other in others):  # nan: not clear
            continue
        if runs and runs[-1][0] == names[first] and runs[-1][2] == edges[b]:
            runs[-1] = (names[first], runs[-1][1], float(edges[b + 1]))
        else:
            runs.append((names[first], float(edges[b]), float(edges[b + 1])))
    return runs


def turns_negative(bins: BinnedMeans, at: np.ndarray) -> float | None:
    """Where a curve falls below 0 for good.

    Args:
        bins: the curve; bins with few rois are left out.
        at: (B,) where on the x axis its points are.

    Returns:
        The place on the line between its last point at or above 0 and the next one; its first
        point where all are below; None where the last point is not below, or there is none.
    """
    x, y = at[bins.known], bins.mean[bins.known]
    if len(y) == 0 or y[-1] >= 0:
        return None
    good = np.flatnonzero(y >= 0)
    if len(good) == 0:
        return float(x[0])
    last = good[-1]
    share = y[last] / (y[last] - y[last + 1])
    return float(x[last] + share * (x[last + 1] - x[last]))


def draw_means(
    axes: Axes, bins: BinnedMeans, color: str, label: str, at: np.ndarray | None = None
) -> None:
    """Draw a curve with its band; bins with few rois are hollow.

    Args:
        axes: to draw on.
        bins: the means; nothing is drawn for empty bins.
        color: of curve and band.
        label: for the legend.
        at: (B,) where on the x axis; None: the middles of the bins.
    """
    x = bins.middles if at is None else at
    some = bins.count > 0
    axes.plot(x[some], bins.mean[some], color=color, linewidth=points(2.5), label=label)
    axes.fill_between(x[some], bins.low[some], bins.high[some], color=color, alpha=0.2, linewidth=0)
    for chosen, face in ((bins.known, color), (some & ~bins.known, "white")):
        dots = axes.scatter(x[chosen], bins.mean[chosen], s=points(6) ** 2, zorder=3)
        dots.set(facecolor=face, edgecolor=color, linewidth=points(1.5))


def curve_colors(by: str, places: Sequence[tuple[int, int]]) -> list[str]:
    """Colours of curves that are seen together; a head has that of the stage it was trained for.

    Args:
        by: "stage", "head" or "detector": what tells the curves apart.
        places: (stage, head) of each curve, from 0.

    Returns:
        One each; those of detectors repeat after seven.
    """
    if by == "detector":
        return [LINE_COLORS[i % len(LINE_COLORS)] for i in range(len(places))]
    return [stage_color(stage if by == "stage" else head) for stage, head in places]


def draw_counts(
    axes: Axes, curves: Sequence[BinnedMeans], colors: Sequence[str], shared: bool = False
) -> None:
    """A strip of faint bars along the bottom: how many rois each bin has, with a line below.

    Args:
        axes: with the curves; its limits and the name of its x axis are set already.
        curves: on the same edges; may be empty.
        colors: one each.
        shared: all curves are of the same boxes: one grey bar per bin stands for all.
    """
    if shared:
        curves, colors = curves[:1], [QUIET][: len(curves)]
    most = max((int(curve.count.max()) for curve in curves), default=0)
    if most == 0:
        axes.text(0.5, 0.85, "no boxes", transform=axes.transAxes, ha="center", color=QUIET)
        return
    axes.set_xlabel(f"{axes.get_xlabel()}\nbars: boxes per bin, up to {most:,}")
    strip = axes.twinx()
    strip.set_ylim(0, most / STRIP)
    strip.axis("off")
    strip.set_zorder(axes.get_zorder() - 1)  # behind the curves
    axes.patch.set_visible(False)
    for i, (curve, color) in enumerate(zip(curves, colors, strict=True)):
        width = 0.8 * np.diff(curve.edges) / len(curves)
        left = curve.edges[:-1] + 0.1 * np.diff(curve.edges) + i * width
        strip.bar(left, curve.count, width, align="edge", color=color, alpha=0.35, linewidth=0)
