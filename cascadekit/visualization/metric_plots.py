"""Curves behind a benchmark's figures: precision by recall, miss rate by FPPI, recall by IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cascadekit.visualization.canvas import points
from cascadekit.visualization.plots import LINE_COLORS, new_plots

# kind -> (label of x, label of y)
AXES = {
    "precision-recall": ("recall", "precision"),
    "miss-rate": ("false positives per image", "miss rate"),
    "recall-iou": ("IoU", "recall"),
}
MOST = 1500  # points of a drawn line
STYLES = ("solid", "dashed")


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: for the legend.
        x: (M,) numbers; M may be 0.
        y: (M,) numbers; nan is left out.
    """

    label: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Panel:
    """One plot.

    Attributes:
        title: above it.
        lines: its curves.
    """

    title: str
    lines: tuple[Line, ...]


def plot_metric_curves(
    kind: str, sets: Sequence[Sequence[Panel]], names: Sequence[str] = ("A", "B")
) -> Figure:
    """The curves of one set of detections, or of two in one figure.

    Args:
        kind: key of `AXES`.
        sets: panels of each set of detections; all have the same number of panels.
        names: of the sets, where there are several: the first is drawn solid, the second dashed.

    Returns:
        A figure with a plot for each panel.
    """
    first = sets[0]
    figure, axes = new_plots([panel.title for panel in first], *AXES[kind], (460, 500))
    for p, axis in enumerate(axes):
        for s, panels in enumerate(sets):
            for k, line in enumerate(panels[p].lines):
                x, y = _thinned(line, kind)
                axis.plot(
                    x,
                    y,
                    color=LINE_COLORS[k % len(LINE_COLORS)],
                    linestyle=STYLES[s % len(STYLES)],
                    linewidth=points(2.2),
                    label=f"{names[s]}, {line.label}" if len(sets) > 1 else line.label,
                )
        if kind == "miss-rate":
            _log_axes(axis, [line for panels in sets for line in panels[p].lines])
        else:
            axis.set_xlim(0.5 if kind == "recall-iou" else 0, 1)
            axis.set_ylim(0, 1.02)
        if any(panels[p].lines for panels in sets):
            # Below the plot: inside there is no place that no curve crosses.
            axis.legend(
                fontsize=points(12),
                frameon=False,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.14),
                ncols=2,
            )
    return figure


def _thinned(line: Line, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Points to draw; on logarithmic axes none at 0, and as many in each decade."""
    known = ~np.isnan(line.x) & ~np.isnan(line.y)
    x, y = np.asarray(line.x)[known], np.asarray(line.y)[known]
    if kind == "miss-rate":
        x, y = x[x > 0], np.maximum(y[x > 0], 1e-4)
    if len(x) <= MOST:
        return x, y
    if kind == "miss-rate":
        places = np.searchsorted(x, np.geomspace(x[0], x[-1], MOST), side="right") - 1
    else:
        places = np.linspace(0, len(x) - 1, MOST).astype(int)
    places = np.unique(places.clip(0))
    return x[places], y[places]


def _log_axes(axis, lines: Sequence[Line]) -> None:
    """FPPI from 0.01 to 1 with a margin; miss rates down to the lowest that is drawn there."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(0.005, 2)
    seen = [line.y[(line.x > 0) & (line.x < 2) & (line.y > 0)] for line in lines]
    lowest = min((part.min() for part in seen if len(part)), default=0.1)
    bottom = max(0.8 * float(lowest), 1e-3)
    axis.set_ylim(bottom, 1.02)
    ticks = [
        t
        for t in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1)
        if t >= bottom
    ]
    axis.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_xticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
    axis.minorticks_off()
    for x in (0.01, 1):  # where the nine points begin and end
        axis.axvline(x, color="#d0d7de", linewidth=points(1), zorder=0)
