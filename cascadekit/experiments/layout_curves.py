"""Figures of curves: AP by IoU threshold, and means by input IoU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.experiments.checks import number_of
from cascadekit.experiments.curves import FEW
from cascadekit.experiments.experiment import Experiment, Row
from cascadekit.experiments.readout import View, table_measure
from cascadekit.visualization.canvas import QUIET, points
from cascadekit.visualization.plots import LINE_COLORS, add_legend, new_plots

THRESHOLDS = tuple(range(50, 100, 5))  # IoU in percent


@dataclass(frozen=True)
class Drawing:
    """A figure of a page.

    Attributes:
        name: of the file, without ending.
        figure: to be saved.
        caption: sentences below it.
        photo: it shows pictures.
    """

    name: str
    figure: Figure
    caption: str
    photo: bool = False

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{self.name}.jpg" if self.photo else f"{self.name}.png"


@dataclass(frozen=True)
class Line:
    """One line of a plot, over seeds; P points.

    Attributes:
        label: for the legend.
        x: (P,).
        y: (S, P), one row per seed; nan where a seed has no point.
        few: (P,) bool, points that rest on few boxes.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    few: np.ndarray


def ap_curves(experiment: Experiment, view: View) -> list[Drawing]:
    """AP by IoU threshold; a plot per panel of the rows, or one per data set."""

    def line(row: Row, data: str) -> Line | None:
        measure = table_measure(row)
        values = view.values(row, measure, data) if measure else {}
        y = [[number_of(v.get(f"AP{t}")) for t in THRESHOLDS] for v in values.values()]
        if not np.isfinite(np.asarray(y, float)).any():
            return None
        x = np.array(THRESHOLDS) / 100
        return Line(_with_ap(experiment, view, row, data), x, np.array(y), np.zeros(10, bool))

    def dress(axis: Axes) -> None:
        axis.set_xlim(0.49, 0.96)
        axis.set_ylim(0, None)

    caption = "AP at each IoU threshold; in the legend AP and, in brackets, the paper's."
    return _plots(experiment, view, line, ("IoU threshold", "AP"), dress, "ap", caption)


def localisation(experiment: Experiment, view: View) -> list[Drawing]:
    """Output IoU by input IoU, with the diagonal where a regressor changes nothing."""

    def dress(axis: Axes) -> None:
        axis.plot([0, 1], [0, 1], color=QUIET, linewidth=points(1.5), linestyle=(0, (4, 3)))
        axis.set_xlim(0.5, 1)
        axis.set_ylim(0.5, 1)

    caption = (
        "Mean IoU of boxes after the regressor, by their IoU before it. Below the dashed diagonal "
        "it makes boxes worse."
    )
    line = _binned(view, "localisation")
    return _plots(experiment, view, line, ("input IoU", "output IoU"), dress, "iou", caption)


def loss_by_iou(experiment: Experiment, view: View) -> list[Drawing]:
    """The classifier's loss by input IoU."""

    def dress(axis: Axes) -> None:
        axis.set_ylim(0, None)

    caption = "Mean cross-entropy of the classifier by the IoU of its boxes, labelled at its own u."
    line = _binned(view, "loss_by_iou")
    return _plots(experiment, view, line, ("input IoU", "loss"), dress, "loss", caption)


def _binned(view: View, measure: str) -> Callable[[Row, str], Line | None]:
    """Lines of a measure of means by IoU."""

    def line(row: Row, data: str) -> Line | None:
        values = list(view.values(row, measure, data).values())
        values = [v for v in values if v.get("edges") == values[0].get("edges")]
        if not values or not values[0].get("edges"):
            return None
        edges = np.array(values[0]["edges"], float)
        count = np.mean([v["count"] for v in values], 0)
        y = np.array([[number_of(mean) for mean in v["mean"]] for v in values])
        return Line(row.label, (edges[:-1] + edges[1:]) / 2, y, count < FEW)

    return line


def _with_ap(experiment: Experiment, view: View, row: Row, data: str) -> str:
    """Label, AP of ours and of the paper, as in the paper's legends."""
    spread = view.spread(row, "AP", data, 100)
    label = row.label if not row.panel else row.label.split(", ", 1)[-1]
    paper = (experiment.paper.get(row.label) or (None,))[0]
    text = label if spread is None else f"{label}: {spread.mean:.1f}"
    return text if paper is None else f"{text} ({paper:.1f})"


def _plots(
    experiment: Experiment,
    view: View,
    line: Callable[[Row, str], Line | None],
    names: tuple[str, str],
    dress: Callable[[Axes], None],
    suffix: str,
    caption: str,
) -> list[Drawing]:
    """A plot per data set, or per panel and then a figure for each data set."""
    panels = list(dict.fromkeys(row.panel for row in experiment.rows))
    found: dict[str, dict[str, list[tuple[Row, Line]]]] = {}
    for data in view.data_of(experiment):
        lines = [(row, drawn) for row in experiment.rows if (drawn := line(row, data)) is not None]
        if lines and panels == [""]:
            found.setdefault("", {})[data] = lines
        elif lines:
            by_panel = {p: [pair for pair in lines if pair[0].panel == p] for p in panels}
            found[data] = {f"{data}: {p}": pairs for p, pairs in by_panel.items() if pairs}
    drawings = []
    for data, plots in found.items():
        figure, axes = new_plots(list(plots), *names, size=(470, 400))
        for axis, pairs in zip(axes, plots.values(), strict=True):
            _draw_lines(axis, experiment, pairs)
            dress(axis)
            add_legend(axis)
        name = "_".join(part for part in (experiment.name, data.replace(" ", "_"), suffix) if part)
        drawings.append(Drawing(name, figure, _with_seeds(caption, plots)))
    return drawings


def _with_seeds(caption: str, plots: Mapping[str, Sequence[tuple[Row, Line]]]) -> str:
    if any(len(line.y) > 1 for pairs in plots.values() for _, line in pairs):
        return f"{caption} Lines are means over seeds; bands reach from the lowest to the highest."
    return f"{caption} One seed."


def _draw_lines(axis: Axes, experiment: Experiment, pairs: Sequence[tuple[Row, Line]]) -> None:
    """Means with bands; the same row has the same look in all plots of an experiment."""
    looks = line_looks(experiment)
    for row, line in pairs:
        look = looks[row.label]
        mean, low, high = over_seeds(line.y)
        some = np.isfinite(mean)
        axis.plot(line.x[some], mean[some], linewidth=points(2.5), label=line.label, **look)
        color = look["color"]
        axis.fill_between(line.x, low, high, color=color, alpha=0.18, linewidth=0)
        for chosen, face in ((some & ~line.few, color), (some & line.few, "white")):
            dots = axis.scatter(line.x[chosen], mean[chosen], s=points(6) ** 2, zorder=3)
            dots.set(facecolor=face, edgecolor=color, linewidth=points(1.5))


def over_seeds(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, lowest and highest of each column of (S, P), nan where no seed has a point."""
    masked = np.ma.masked_invalid(y)
    mean, low, high = masked.mean(0), masked.min(0), masked.max(0)
    return mean.filled(math.nan), low.filled(math.nan), high.filled(math.nan)


def line_looks(experiment: Experiment) -> dict[str, dict[str, Any]]:
    """Row label -> colour and style of its line.

    Rows that share what stands before a comma ("u = 0.6", "u = 0.6, other boxes") share their
    colour, and the later ones are dashed; in panels each row has its colour.
    """
    looks: dict[str, dict[str, Any]] = {}
    seen: dict[str, dict[str, int]] = {}
    for row in experiment.rows:
        groups = seen.setdefault(row.panel, {})
        name = row.label if row.panel else row.label.split(",")[0]
        dashed = name in groups
        place = groups.setdefault(name, len(groups))
        color = LINE_COLORS[place % len(LINE_COLORS)]
        looks[row.label] = {"color": color, "linestyle": (0, (4, 2)) if dashed else "-"}
    return looks
