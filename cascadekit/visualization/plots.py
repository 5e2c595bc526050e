"""Plots of numbers in one style: no pyplot, colours for all kinds of colour vision."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.visualization.canvas import DPI, INK, PALETTE, QUIET, new_figure, points

STAGE_COLORS = ("#56B4E9", "#E69F00", "#00B88A", "#CC79A7")  # stages 1 to 4, everywhere the same
LINE_COLORS = ("#0072B2", "#E8601C", "#00B88A", "#CC79A7", "#E69F00", "#56B4E9", "#6e7781")

__all__ = [
    "LINE_COLORS",
    "PALETTE",
    "STAGE_COLORS",
    "add_legend",
    "figure_pixels",
    "new_plots",
    "stage_color",
    "style_axes",
]


def stage_color(stage: int) -> str:
    """The colour of a stage, 0..S-1, in every plot."""
    return STAGE_COLORS[stage % len(STAGE_COLORS)]


def new_plots(
    titles: Sequence[str],
    xlabel: str = "",
    ylabel: str = "",
    size: tuple[int, int] = (420, 340),
    columns: int = 3,
) -> tuple[Figure, list[Axes]]:
    """A figure with a plot for each title, in rows of `columns`.

    Args:
        titles: one per plot; at least one.
        xlabel: below each plot.
        ylabel: beside the first plot of each row.
        size: (width, height) of one plot, figure pixels.
        columns: plots in a row.

    Returns:
        The figure, and the axes in the order of the titles.
    """
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    figure = new_figure(size[0] * columns, size[1] * rows)
    figure.set_layout_engine("constrained")
    axes = []
    for i, title in enumerate(titles):
        axis = figure.add_subplot(rows, columns, i + 1)
        style_axes(axis, title, xlabel, ylabel if i % columns == 0 else "")
        axes.append(axis)
    return figure, axes


def style_axes(axis: Axes, title: str, xlabel: str = "", ylabel: str = "") -> None:
    """Titles, ticks and a faint grid as all plots have them."""
    axis.set_title(title, fontsize=points(15), color=INK, parse_math=False)
    axis.set_xlabel(xlabel, fontsize=points(13), color=INK)
    axis.set_ylabel(ylabel, fontsize=points(13), color=INK)
    axis.tick_params(labelsize=points(12), colors=QUIET)
    axis.grid(color="#eaeef2", linewidth=points(1))
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def add_legend(axes: Axes, place: str = "best") -> None:
    """A legend without a frame, in the letters of the plots."""
    axes.legend(fontsize=points(12), frameon=False, loc=place)


def figure_pixels(figure: Figure) -> tuple[int, int]:
    """Width and height of a figure in pixels."""
    width, height = figure.get_size_inches() * DPI
    return round(width), round(height)
