"""How a training went so far, as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cascadekit.visualization.canvas import INK, QUIET, new_figure, points, write
from cascadekit.visualization.plots import new_plots, stage_color

if TYPE_CHECKING:
    from cascadekit.engine.progress import TrainingReport

MOST = 1000  # points of a curve; then every second one goes
REACH = 5  # points on each side that the bold line is the mean of
SCORES = {"AP": "solid", "AP50": "dashed", "AP75": "dotted"}
KIND_COLORS = {"bbox": "#0072B2", "segm": "#E8601C"}
KIND_NAMES = {"bbox": "box", "segm": "mask"}


@dataclass
class TrainingHistory:
    """What was reported of a training; grows while it runs.

    Attributes:
        total: iterations of the whole training; 0 before it begins.
        reports: in order; thinned when there are more than a plot can show.
        validations: iteration -> kind ("bbox", "segm") -> score ("AP", "AP50", "AP75") -> fraction.
    """

    total: int = 0
    reports: list[TrainingReport] = field(default_factory=list)
    validations: dict[int, dict[str, dict[str, float]]] = field(default_factory=dict)

    def add(self, report: TrainingReport) -> None:
        """Add a report, and thin the older ones when there are too many."""
        self.reports.append(report)
        if len(self.reports) > MOST:
            self.reports = self.reports[::-2][::-1]  # the newest stays

    def add_scores(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Add what a validation gave; of other names than COCO AP nothing is kept.

        Args:
            iteration: it came after.
            metrics: e.g. `coco/bbox_AP50` -> fraction; scores of stages and classes are skipped.
        """
        found: dict[str, dict[str, float]] = {}
        for name, value in metrics.items():
            kind, _, score = name.rpartition("/")[2].partition("_")
            alone = name.count("/") <= 1  # not coco/stage_1/bbox_AP
            if alone and kind in KIND_COLORS and score in SCORES and isfinite(value):
                found.setdefault(kind, {})[score] = float(value)
        if found:
            self.validations[iteration] = found


def plot_training(history: TrainingHistory, title: str = "", width: int = 900) -> Figure:
    """Draw loss, IoU of each stage's positives, and the scores of validations.

    Args:
        history: of a training; it may be empty.
        title: above the plots.
        width: of the figure, pixels.

    Returns:
        A figure of two plots, three with a validation; of the title alone where nothing was
        reported yet.
    """
    if not history.reports and not history.validations:
        figure = new_figure(width, 30)
        write(figure, 0.01 * width, 15, title, 14)
        return figure
    titles = ["Loss", "IoU of positives, by stage"]
    if history.validations:
        titles.append("AP on the validation set (%)")
    size = (width // len(titles), 250)
    figure, axes = new_plots(titles, xlabel="iteration", size=size)
    if title:
        figure.suptitle(title, fontsize=points(14), color=INK, x=0.01, ha="left")
    _draw_loss(axes[0], history.reports)
    _draw_ious(axes[1], history.reports)
    if history.validations:
        _draw_scores(axes[2], history.validations)
    for axis in axes:
        axis.set_xlim(*_span(history))
        axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
    return figure


def _span(history: TrainingHistory) -> tuple[float, float]:
    """First and last iteration of the plots: the whole training, once a third of it is done."""
    seen = [report.iteration for report in history.reports] + list(history.validations)
    last = max(seen)
    return min(seen) - 1, max(history.total, last) if 3 * last >= history.total else 1.5 * last


def _draw_loss(axis: Axes, reports: Sequence[TrainingReport]) -> None:
    """The sum of all losses: each report pale, the mean of the last ones bold."""
    kept = [
        (r.iteration, r.losses["loss"]) for r in reports if isfinite(r.losses.get("loss", 1e999))
    ]
    if not kept:
        return
    iterations, losses = (np.array(values, float) for values in zip(*kept, strict=True))
    axis.plot(iterations, losses, color=QUIET, alpha=0.4, linewidth=points(1))
    axis.plot(iterations, moving_mean(losses), color=INK, linewidth=points(2.2))
    # The first iterations are far above the rest, and would press it flat.
    axis.set_ylim(0, max(np.quantile(losses, 0.97), losses[-1], 1e-6) * 1.15)


def _draw_ious(axis: Axes, reports: Sequence[TrainingReport]) -> None:
    """What enters each stage (dotted) and what leaves it (solid)."""
    stages = sorted({stage for report in reports for stage in report.ious})
    for stage in stages:
        kept = [(r.iteration, *r.ious[stage]) for r in reports if stage in r.ious]
        iterations, before, after = (np.array(v, float) for v in zip(*kept, strict=True))
        color = stage_color(stage - 1)
        for values, style, label in ((before, ":", None), (after, "-", f"stage {stage}")):
            width = points(2.2 if label else 1.6)
            axis.plot(iterations, moving_mean(values), style, color=color, lw=width, label=label)
    if stages:
        axis.plot([], [], ":", color=QUIET, lw=points(1.6), label="before")
        _legend_beside(axis)


def _draw_scores(axis: Axes, validations: Mapping[int, Mapping[str, Mapping[str, float]]]) -> None:
    """AP, AP50 and AP75 of boxes and masks after each validation."""
    for kind, color in KIND_COLORS.items():
        for score, style in SCORES.items():
            kept = [
                (i, 100 * v[kind][score])
                for i, v in validations.items()
                if score in v.get(kind, {})
            ]
            if kept:
                line = axis.plot(*zip(*kept, strict=True), marker="o", markersize=points(5))[0]
                line.set(color=color, linestyle=style, linewidth=points(2))
                line.set_label(f"{KIND_NAMES[kind]} {score}")
    axis.set_ylim(0, max(axis.get_ylim()[1], 1))
    _legend_beside(axis)


def moving_mean(values: np.ndarray, reach: int = REACH) -> np.ndarray:
    """Mean of each value and its neighbours.

    Args:
        values: (N,) float; N may be 0.
        reach: neighbours on each side; fewer at the ends.

    Returns:
        (N,) float.
    """
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    starts, ends = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return (sums[ends] - sums[starts]) / (ends - starts)


def _legend_beside(axis: Axes) -> None:
    """Beside the plot: inside, it would lie on the curves of one training or another."""
    axis.legend(fontsize=points(12), frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
