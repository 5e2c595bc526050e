"""Figures 4 and 5: training samples by IoU, and the spread of their deltas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cascadekit.experiments.checks import number_of
from cascadekit.experiments.experiment import Experiment
from cascadekit.experiments.layout_curves import Drawing
from cascadekit.experiments.readout import View, seeds_text
from cascadekit.quality.tables import Table, number
from cascadekit.visualization.canvas import INK, QUIET, points
from cascadekit.visualization.plots import LINE_COLORS, add_legend, new_plots, stage_color

MARKS = {0.5: "share50", 0.6: "share60", 0.7: "share70"}
# Which samples are counted. The second are those of stage 1 that reach this stage's u: how small
# the spread gets by the cut alone, were the boxes never refined.
CUTS = {"std": "that reach u", "std_first_cut": "stage 1's that reach u", "std_uncut": "all"}
RULE = (1, 1 / 2, 1 / 3)  # what the constants in use (.1, .05, .033) say of stages 1 to 3


def histograms(experiment: Experiment, view: View) -> list[Drawing]:
    """Samples by IoU, a plot per stage; a figure for each data set."""
    drawings = []
    for data in view.data_of(experiment):
        rows = [(row, list(view.values(row, "samples", data).values())) for row in experiment.rows]
        rows = [(row, values) for row, values in rows if values and _bins(values) is not None]
        if not rows:
            continue
        titles = [
            f"{data}: {row.label}, u = {values[0].get('u', math.nan):g}" for row, values in rows
        ]
        figure, axes = new_plots(titles, "IoU", "% of the samples", size=(330, 320))
        highest = 0.0
        for k, (axis, (row, values)) in enumerate(zip(axes, rows, strict=True)):
            highest = max(highest, _draw_bars(axis, values, stage_color(k)))
            _write_shares(axis, values, experiment.paper.get(row.label))
        for axis in axes:
            axis.set_ylim(0, 1.35 * highest or 1)  # one scale, so that a loss of samples shows
        caption = (
            "Share of each stage's training samples per bin of IoU, without copies of the ground "
            "truth. Written in: share from that IoU on and, in brackets, the paper's. Mean over "
            f"{seeds_text([len(values) for _, values in rows])}."
        )
        name = f"{experiment.name}_{data.replace(' ', '_')}_histograms"
        drawings.append(Drawing(name, figure, caption))
    return drawings


def _bins(values: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray] | None:
    """Edges, and the mean share of all samples in each bin; None where a seed has no samples."""
    edges = np.array(values[0].get("edges") or (), float)
    shares = []
    for each in values:
        counts = np.array(each.get("histogram") or (), float)
        total = number_of(each.get("num_samples"))
        if math.isnan(total):
            # Without the number of all samples: those of the bins, scaled to the share they are.
            inside = number_of(each.get("share50"))
            total = counts.sum() / inside if inside > 0 else math.nan
        if len(counts) == len(edges) - 1 and len(counts) and total > 0:
            shares.append(counts / total)
    return (edges, np.mean(shares, 0)) if shares else None


def _draw_bars(axis: Axes, values: Sequence[Mapping[str, Any]], color: str) -> float:
    """Bars in percent; returns the highest."""
    bins = _bins(values)
    assert bins is not None
    edges, share = bins
    bars = axis.bar(edges[:-1], 100 * share, np.diff(edges), align="edge", color=color)
    u = number_of(values[0].get("u"))
    for bar, middle in zip(bars, (edges[:-1] + edges[1:]) / 2, strict=True):
        bar.set_alpha(0.35 if middle < u else 1.0)
    axis.set_xlim(edges[0], edges[-1])
    return 100 * float(share.max())


def _write_shares(
    axis: Axes, values: Sequence[Mapping[str, Any]], paper: Sequence[float | None] | None
) -> None:
    """Share of the samples from 0.5, 0.6 and 0.7 on, with the paper's in brackets."""
    u = number_of(values[0].get("u"))
    for place, (iou, key) in enumerate(MARKS.items()):
        share = 100 * float(np.mean([number_of(v.get(key)) for v in values]))
        if math.isnan(share):
            continue
        axis.axvline(
            iou,
            color=INK if abs(iou - u) < 1e-6 else QUIET,
            linewidth=points(2 if abs(iou - u) < 1e-6 else 1),
            linestyle="-" if abs(iou - u) < 1e-6 else (0, (4, 3)),
        )
        printed = paper[place] if paper and place < len(paper) else None
        text = f"{share:.1f} %" + (f" ({printed:.1f})" if printed is not None else "")
        axis.annotate(
            text,
            (iou, 0.98 - 0.08 * place),
            (points(4), 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=points(12),
            color=INK,
            va="top",
            # Bars and lines pass behind the numbers.
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )


def spread(experiment: Experiment, view: View) -> list[Drawing]:
    """Spread of deltas beside that of stage 1, with and without the cut at u; paper and rule."""
    found = {
        data: lines
        for data in view.data_of(experiment)
        if (lines := [(key, _ratios(experiment, view, data, key)) for key in CUTS])
        and any(len(ratios) for _, ratios in lines)
    }
    if not found:
        return []
    figure, axes = new_plots(list(found), "stage", "spread beside stage 1", size=(430, 360))
    for axis, lines in zip(axes, found.values(), strict=True):
        _draw_spread(axis, experiment, lines)
    caption = (
        "Geometric mean over x, y, w and h of the standard deviation of the regression targets, "
        "divided by that of stage 1; a thin line per seed. The paper counts samples that reach "
        "the stage's u; stage 1's that reach it show what that cut alone does. The rule is 1, 1/2, "
        "1/3."
    )
    return [Drawing(f"{experiment.name}_spread", figure, caption)]


def _draw_spread(
    axis: Axes, experiment: Experiment, lines: Sequence[tuple[str, np.ndarray]]
) -> None:
    stages = np.arange(1, len(experiment.rows) + 1)
    rule = [RULE[k] if k < len(RULE) else math.nan for k in range(len(stages))]
    axis.plot(stages, rule, color=QUIET, linestyle=(0, (1, 2)), linewidth=points(3), label="rule")
    printed = [experiment.paper.get(row.label, (None,) * 4)[:4] for row in experiment.rows]
    paper = [geometric(row) for row in printed]
    if all(value > 0 for value in paper):
        axis.plot(
            stages,
            np.array(paper) / paper[0],
            color=QUIET,
            marker="D",
            linewidth=points(1.5),
            label="paper",
        )
    for color, (key, ratios) in zip(LINE_COLORS, lines, strict=False):
        for i, row in enumerate(ratios):
            label = f"ours, {CUTS[key]}" if i == 0 else None
            axis.plot(stages, row, color=color, linewidth=points(1.5), marker="o", label=label)
    axis.set_xticks(stages)
    axis.set_ylim(0, 1.05)
    add_legend(axis)


def _ratios(experiment: Experiment, view: View, data: str, key: str) -> np.ndarray:
    """(seeds, stages): spread beside that of the first row; only seeds that have all stages."""
    by_row = [
        {seed: geometric(v.get(key)) for seed, v in view.values(row, "samples", data).items()}
        for row in experiment.rows
    ]
    seeds = [s for s in by_row[0] if all(each.get(s, math.nan) > 0 for each in by_row)]
    return np.array([[each[s] / by_row[0][s] for each in by_row] for s in seeds])


def geometric(std: Sequence[float | None] | None) -> float:
    """Geometric mean of standard deviations; nan where one is missing or not positive."""
    known = [number_of(value) for value in std or ()]
    if not known or not all(value > 0 for value in known):
        return math.nan
    return math.exp(math.fsum(map(math.log, known)) / len(known))


def uncut_table(experiment: Experiment, view: View) -> list[Table]:
    """Standard deviations with and without the cut at u, mean over seeds, for each data set."""
    made = []
    for data in view.data_of(experiment):
        rows = [(row, view.values(row, "samples", data)) for row in experiment.rows]
        lines = [
            (f"{row.label}, {name}", *_means(values, key))
            for row, values in rows
            for key, name in CUTS.items()
            if _means(values, key)
        ]
        if lines:
            header = ("", "std x", "std y", "std w", "std h", "geometric mean")
            made.append(Table(f"Ours: {data}, with and without the cut at u", header, tuple(lines)))
    return made


def _means(values: Mapping[int, Mapping[str, Any]], key: str) -> tuple[str, ...]:
    """Four cells and their geometric mean; empty without numbers."""
    rows = [v[key] for v in values.values() if not math.isnan(geometric(v.get(key)))]
    if not rows:
        return ()
    mean = np.mean(rows, 0).tolist()
    return tuple(number(value, 4) for value in (*mean, geometric(mean)))
