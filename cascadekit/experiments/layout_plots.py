"""Figures of single numbers: a matrix of heads and stages, and gains with their seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.errors import InputError
from cascadekit.experiments.experiment import Experiment, Row
from cascadekit.experiments.layout_curves import Drawing
from cascadekit.experiments.layout_tables import our_gain, paper_gain
from cascadekit.experiments.readout import Spread, View
from cascadekit.experiments.statistics import mean_interval
from cascadekit.visualization.canvas import INK, QUIET, new_figure, points
from cascadekit.visualization.plots import LINE_COLORS


def gains(experiment: Experiment, view: View) -> list[Drawing]:
    """Gain of each compared row: seeds, their interval, and the paper's."""
    found: dict[str, list[tuple[Row, Spread]]] = {}
    for data in view.data_of(experiment):
        rows = [row for row in experiment.rows if row.beside]
        known = [(row, g) for row in rows if (g := our_gain(experiment, view, row, data))]
        if known:
            found[data] = known
    if not found:
        return []
    ratio = experiment.gain == "ratio"
    first = experiment.main_column
    figure = _stacked(experiment, found)
    for axis in figure.axes:
        axis.axvline(1 if ratio else 0, color=QUIET, linewidth=points(1.5))
    figure.axes[-1].set_xlabel(f"{first}: {'factor' if ratio else 'gain'}", fontsize=points(13))
    caption = (
        f"{'Factor' if ratio else 'Gain'} in {first} over the row named in brackets. Dots are "
        "seeds; bars reach to the one-sided 95 % bounds that verdicts are made with. Diamonds: the "
        "paper."
    )
    return [Drawing(f"{experiment.name}_gains", figure, caption)]


def _stacked(experiment: Experiment, found: Mapping[str, Sequence[tuple[Row, Spread]]]) -> Figure:
    """A plot for each data set, as high as its rows, on one scale."""
    heights = [60 + 40 * len(rows) for rows in found.values()]
    figure = new_figure(760, sum(heights) + 40)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(
        len(found), squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for axis, (data, rows) in zip(axes[:, 0], found.items(), strict=True):
        axis.set_title(data, fontsize=points(15), color=INK, parse_math=False)
        axis.tick_params(labelsize=points(12), colors=QUIET)
        axis.grid(color="#eaeef2", linewidth=points(1), axis="x")
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        _draw_gains(axis, experiment, rows)
    return figure


def _draw_gains(axis: Axes, experiment: Experiment, rows: Sequence[tuple[Row, Spread]]) -> None:
    color = LINE_COLORS[0]
    for y, (row, gain) in enumerate(rows):
        values = list(gain.by_seed.values())
        interval = mean_interval(values)
        if math.isfinite(interval.low):
            bar = {"color": color, "alpha": 0.25, "linewidth": points(10)}
            axis.plot([interval.low, interval.high], [y, y], solid_capstyle="butt", **bar)
        axis.plot(values, [y] * len(values), "o", color=color)
        paper = paper_gain(experiment, row)
        axis.plot(
            [paper],  # nan draws nothing
            [y + 0.3],  # beside the dots, which it would hide
            "D",
            markersize=points(7),
            markerfacecolor="white",
            color=INK,
        )
    axis.set_yticks(range(len(rows)), [f"{row.label}\n({row.beside})" for row, _ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.margins(x=0.08)


def matrix(experiment: Experiment, view: View) -> list[Drawing]:
    """AP of every head on every stage's boxes; the paper's in brackets."""
    cells = {
        row.label: (*map(int, _digits(row)), row)
        for row in experiment.rows
        if "matrix" in row.reads
    }
    drawings = []
    for data in view.data_of(experiment):
        known = {
            (stage, head): (row, spread)
            for stage, head, row in cells.values()
            if (spread := view.spread(row, "AP", data, 100)) is not None
        }
        if known:
            figure = _draw_matrix(experiment, data, known)
            caption = f"AP on {data}, mean over seeds; in brackets the paper's."
            caption = f"{caption} {_regressor(view, data, cells)}"
            name = f"{experiment.name}_{data.replace(' ', '_')}_matrix"
            drawings.append(Drawing(name, figure, caption.strip()))
    return drawings


def _digits(row: Row) -> tuple[str, str]:
    """Stage and head of a path "stage2/head1"; raises on another path."""
    parts = row.reads["matrix"].split("/")
    if len(parts) == 2 and parts[0].startswith("stage") and parts[1].startswith("head"):
        stage, head = parts[0].removeprefix("stage"), parts[1].removeprefix("head")
        if stage.isdigit() and head.isdigit():
            return stage, head
    raise InputError(
        f"row {row.label!r}: expected a path stageS/headT, got {row.reads['matrix']!r}"
    )


def _regressor(view: View, data: str, cells: dict[str, tuple[int, int, Row]]) -> str:
    """Whose regressor moved the boxes, as the measure says."""
    row = next(iter(cells.values()))[2]
    said = {v.get("regressor") for v in view.results.values(row.arm, "matrix", data).values()}
    words = {
        "stage": "Where head and stage differ, the stage's own regressor moves the boxes.",
        "head": "Where head and stage differ, the head's regressor moves the boxes.",
    }
    return " ".join(words[key] for key in words if key in said)


def _draw_matrix(
    experiment: Experiment, data: str, known: dict[tuple[int, int], tuple[Row, Spread]]
) -> Figure:
    stages, heads = (sorted({key[i] for key in known}) for i in (0, 1))
    grid = np.full((len(stages), len(heads)), math.nan)
    for (stage, head), (_, spread) in known.items():
        grid[stages.index(stage), heads.index(head)] = spread.mean
    figure = new_figure(150 + 130 * len(heads), 110 + 90 * len(stages))
    figure.set_layout_engine("constrained")
    axis = figure.add_subplot()
    low, high = np.nanmin(grid), np.nanmax(grid)
    # Pale colours, so that black letters are read on all of them.
    axis.imshow(grid, cmap="Blues", aspect="auto", vmin=low, vmax=high + 1.2 * (high - low) + 1e-6)
    for (stage, head), (row, spread) in known.items():
        paper = (experiment.paper.get(row.label) or (None,))[0]
        text = f"{spread.mean:.1f}"
        text += f" ± {spread.std:.1f}" if spread.count > 1 else ""
        text += f"\n({paper:.1f})" if paper is not None else ""
        x, y = heads.index(head), stages.index(stage)
        axis.text(x, y, text, ha="center", va="center", color=INK, fontsize=points(14))
    axis.set_xticks(range(len(heads)), [f"head {h}" for h in heads], fontsize=points(13))
    axis.set_yticks(
        range(len(stages)), [f"boxes of stage {s}" for s in stages], fontsize=points(13)
    )
    axis.set_title(data, fontsize=points(15), color=INK, parse_math=False)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    return figure
