"""Instrument 2: spread of the regression targets of each stage (paper, Figure 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from cascadekit.errors import InputError
from cascadekit.quality.records import SampleRecording, StageSamples
from cascadekit.quality.tables import Table, number
from cascadekit.visualization.canvas import INK, points
from cascadekit.visualization.plots import new_plots, stage_color

FLOOR = 0.5  # the paper's outliers are samples from IoU .5 on that fail u
AXES = ("dx", "dy", "dw", "dh")
# Paper, Figure 5, outliers removed, stages 1 to 3: means and stds of (dx, dy, dw, dh).
PAPER_MEANS = (
    (0.0020, 0.0022, 0.0161, 0.0498),
    (0.0048, -0.0012, -0.0007, 0.0122),
    (0.0032, -0.0021, -0.0017, 0.0004),
)
PAPER_STDS = (
    (0.1234, 0.1297, 0.2272, 0.2255),
    (0.0606, 0.0613, 0.1221, 0.1230),
    (0.0391, 0.0376, 0.0798, 0.0773),
)

# A std of 100 samples is known to 7 %, and to about 15 % when they come in clusters of one object:
# well inside DRIFT.
FEW = 100
# The paper's own measured stds are 1.13 to 1.30 times the constants it trains with, and the least
# step between two stages' constants is 1.5 (1/2 to 1/3 of stage 1's). A stage that is off by more
# has another stage's constants.
DRIFT = 1.5
# A mean of half a std adds 12 % to the root mean square of the normalised deltas; the paper's
# largest is a quarter.
SHIFT = 0.5
# Two stds of 100 samples differ by 10 % by chance.
LITTLE = 0.9
OUTLIER = "#C0362C"
VIEW = (0.5, 1.0)  # half widths of the plots of (dx, dy) and (dw, dh), as in the paper
TICKS = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])  # of the half width

Four = tuple[float, float, float, float]


@dataclass(frozen=True)
class Spread:
    """Statistics of (dx, dy, dw, dh), not normalised.

    Attributes:
        count: how many samples; may be 0.
        mean: nan without samples.
        std: with n - 1 in the denominator; nan with fewer than two samples.
    """

    count: int
    mean: Four
    std: Four


@dataclass(frozen=True)
class StageDeltas:
    """What one stage's regressor has to learn; copies of ground truth left out.

    Attributes:
        stage: 0..S-1.
        threshold: u of the stage.
        kept: samples with IoU of u or more: the paper's "outliers removed".
        uncut: samples with IoU of the result's `floor` or more, the same for all stages.
        first_cut: the first stage's samples cut at this stage's u: how small the spread gets by
            the cut alone, with boxes as they were.
        means_in_use: what the deltas are normalised with.
        stds_in_use: likewise.
        ratios: std of `kept` by stds in use; nan where unknown.
        shifts: mean of `kept` minus means in use, by stds in use; nan where unknown.
        drifted: a ratio is off by more than `DRIFT`, or a shift by more than `SHIFT`, on enough
            samples (`FEW`).
        sample: (P, 4) float64, a few of `uncut` for the plot, four decimals; P may be 0.
        sample_kept: (P,) bool, which of them reach u.
    """

    stage: int
    threshold: float
    kept: Spread
    uncut: Spread
    first_cut: Spread
    means_in_use: Four
    stds_in_use: Four
    ratios: Four
    shifts: Four
    drifted: bool
    sample: np.ndarray
    sample_kept: np.ndarray


@dataclass(frozen=True)
class DeltaStatistics:
    """Statistics of all stages.

    Attributes:
        floor: IoU from which on samples are looked at; no stage's u is lower.
        stages: S entries; S may be 0.
    """

    floor: float
    stages: tuple[StageDeltas, ...]


def compute_delta_statistics(
    recording: SampleRecording, floor: float = FLOOR, max_points: int = 1000
) -> DeltaStatistics:
    """Mean and std of every stage's deltas, with and without the cut at u.

    Args:
        recording: what the stages saw in training; no images, stages or samples is fine.
        floor: samples of a lower IoU are left out; the lowest u takes its place where that is
            lower still.
        max_points: how many samples per stage are kept for the plot, 0 or more; always the same
            ones.

    Returns:
        Statistics of every stage.

    Raises:
        InputError: `floor` outside [0, 1], or `max_points` below 0.

    Source: Cai and Vasconcelos, section 4.1 and Figure 5, which shows the cut samples only.
    The other two are ours: part of the shrinkage comes from the cut, not from better boxes.
    """
    if not 0 <= floor <= 1:
        raise InputError(f"floor is an IoU in [0, 1], got {floor:g}")
    if max_points < 0:
        raise InputError(f"max_points must be 0 or more, got {max_points}")
    if not recording.stages:
        return DeltaStatistics(floor, ())
    floor = min(floor, *(stage.threshold for stage in recording.stages))
    first = _own(recording.stages[0])
    stages = tuple(_statistics(stage, first, floor, max_points) for stage in recording.stages)
    return DeltaStatistics(floor, stages)


def _own(samples: StageSamples) -> tuple[np.ndarray, np.ndarray]:
    """IoUs (R',) float32 and deltas (R', 4) float64 of samples that have an object of their own."""
    known = ~samples.from_gt & samples.deltas.isfinite().all(1)
    return samples.ious[known].numpy(), samples.deltas[known].double().numpy()


def _statistics(
    samples: StageSamples, first: tuple[np.ndarray, np.ndarray], floor: float, max_points: int
) -> StageDeltas:
    """One stage beside the first one's samples."""
    ious, deltas = _own(samples)
    u = np.float32(samples.threshold)  # as the IoUs are, so that 0.7 reaches 0.7
    kept, looked_at = ious >= u, ious >= np.float32(floor)
    spread = _spread(deltas[kept])
    stds = np.array(samples.stds)
    ratios = np.array(spread.std) / stds
    shifts = (np.array(spread.mean) - np.array(samples.means)) / stds
    off = (np.abs(np.log(np.maximum(ratios, 1e-9))) > math.log(DRIFT)) | (np.abs(shifts) > SHIFT)
    rows = _some(np.flatnonzero(looked_at), max_points)
    return StageDeltas(
        stage=samples.stage,
        threshold=samples.threshold,
        kept=spread,
        uncut=_spread(deltas[looked_at]),
        first_cut=_spread(first[1][first[0] >= u]),
        means_in_use=_four(samples.means),
        stds_in_use=_four(samples.stds),
        ratios=_four(ratios),
        shifts=_four(shifts),
        drifted=spread.count >= FEW and bool(off.any()),
        sample=deltas[rows].round(4),
        sample_kept=kept[rows],
    )


def _spread(deltas: np.ndarray) -> Spread:
    """Statistics of (R, 4) deltas; R may be 0."""
    count, unknown = len(deltas), np.full(4, np.nan)
    mean = deltas.mean(0) if count else unknown
    std = deltas.std(0, ddof=1) if count > 1 else unknown
    return Spread(count, _four(mean), _four(std))


def _four(values: Sequence[float] | np.ndarray) -> Four:
    x, y, w, h = (float(value) for value in values)
    return x, y, w, h


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, by lot but always the same, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def implied_stds(result: DeltaStatistics) -> tuple[Four, ...]:
    """Stds to train each stage with: measured, to two digits; in use where too few samples tell."""
    return tuple(
        _four([float(f"{std:.2g}") for std in stage.kept.std])
        if _measured(stage.kept)
        else _four([float(f"{std:.3g}") for std in stage.stds_in_use])
        for stage in result.stages
    )


def _measured(spread: Spread) -> bool:
    """Whether the stds can be trusted and a coder would take them."""
    return spread.count >= FEW and min(spread.std) > 0


def config_lines(result: DeltaStatistics) -> tuple[str, ...]:
    """Config lines that the statistics imply, for inside `model=dict(roi_head=dict(...))`.

    The roi head takes no means: the last layer's bias learns them.
    """
    lines = ["delta_stds=["]
    for stage, stds in zip(result.stages, implied_stds(result), strict=True):
        origin = "measured on" if _measured(stage.kept) else "as before: only"
        row = ", ".join(f"{std:g}" for std in stds)
        lines.append(
            f"    ({row}),  # stage {stage.stage + 1}, {origin} {stage.kept.count} samples"
        )
    return (*lines, "],")


def plot_delta_statistics(result: DeltaStatistics) -> Figure:
    """Figure 5 for any detector: (dx, dy) above, (dw, dh) below, a column per stage.

    Samples that fail u are red; the dashed ellipse is two stds in use. Means and stds are those of
    all samples that reach u, not only of the points drawn; points out of view are left out.
    """
    stages = result.stages
    titles = [f"Stage {s.stage + 1}, u = {s.threshold:g}" for s in stages]
    columns = max(1, len(stages))
    figure, axes = new_plots(
        [*titles, *[""] * len(stages)] or ["no stages"], size=(340, 320), columns=columns
    )
    for i, axis in enumerate(axes[: 2 * len(stages)]):
        part = i // columns  # 0: position, 1: size
        axis.set_xlabel(AXES[2 * part], fontsize=points(13), color=INK)
        axis.set_ylabel(AXES[2 * part + 1], fontsize=points(13), color=INK)
        axis.set(xlim=(-VIEW[part], VIEW[part]), ylim=(-VIEW[part], VIEW[part]), aspect="equal")
        axis.set(xticks=VIEW[part] * TICKS, yticks=VIEW[part] * TICKS)
        _scatter(axis, stages[i % columns], 2 * part)
        if i == columns:  # once; red writes in the row above
            _write(axis, "dashed: 2 stds in use", 0.09, INK)
    return figure


def _scatter(axis: Axes, stage: StageDeltas, column: int) -> None:
    """Two of the four deltas of one stage, from `column` on."""
    pair = slice(column, column + 2)
    for kept, color in ((True, stage_color(stage.stage)), (False, OUTLIER)):
        rows = stage.sample[stage.sample_kept == kept]
        axis.plot(*rows[:, pair].T, ".", markersize=points(3.5), color=color, alpha=0.5)
    width, height = (4 * std for std in stage.stds_in_use[pair])
    in_use = Ellipse(stage.means_in_use[pair], width, height, fill=False, edgecolor=INK, zorder=3)
    in_use.set(linestyle=(0, (4, 3)), linewidth=points(1.2))
    axis.add_patch(in_use)
    for k in range(column, column + 2):
        mean, std = round(stage.kept.mean[k], 3) + 0.0, stage.kept.std[k]  # + 0.0: no "-0.000"
        text = f"{AXES[k]}: mean {number(mean, 3, True)}, std {number(std, 3)}"
        _write(axis, text, 0.97 - 0.07 * (k - column), INK)
    if column == 0 and stage.kept.count < stage.uncut.count:
        _write(axis, f"red: {100 - 100 * stage.kept.count / stage.uncut.count:.0f} % fail u", 0.09)


def _write(axis: Axes, text: str, height: float, color: str = OUTLIER) -> None:
    """A line at the left, on a plate that the points shine through."""
    written = axis.text(0.03, height, text, transform=axis.transAxes, va="top", color=color)
    written.set(fontsize=points(12), zorder=4)
    written.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})


def delta_statistics_table(result: DeltaStatistics, paper: bool = False) -> Table:
    """Means and stds of all stages, cut and uncut, beside those in use.

    Args:
        result: of `compute_delta_statistics`.
        paper: append the paper's numbers, in rows that say so.

    Returns:
        Four or five rows per stage.
    """
    rows: list[tuple[str, ...]] = []
    for stage in result.stages:
        name, u = f"stage {stage.stage + 1}", f"{stage.threshold:g}"
        rows.append(_row(f"{name}, IoU >= u = {u}", stage.kept))
        rows.append(_row(f"{name}, IoU >= {result.floor:g} (uncut)", stage.uncut))
        if stage is not result.stages[0]:
            rows.append(_row(f"{name}, stage 1's samples cut at {u}", stage.first_cut))
        in_use = map(_digits, (*stage.means_in_use, *stage.stds_in_use))
        rows.append((f"{name}, in use", "", *in_use))
        ratios = [number(value, 2) for value in stage.ratios]
        flag = " (!)" if stage.drifted else ""
        rows.append((f"{name}, measured / in use{flag}", *[""] * 5, *ratios))
    notes = ["Deltas are not normalised; copies of the ground truth are left out."]
    if any(stage.drifted for stage in result.stages):
        notes.append(
            f"(!): a std is off by a factor of more than {DRIFT:g}, or a mean by more than "
            f"{SHIFT:g} stds."
        )
    if paper:
        for k, numbers in enumerate(zip(PAPER_MEANS, PAPER_STDS, strict=True)):
            cells = map(_digits, (*numbers[0], *numbers[1]))
            rows.append((f"paper, stage {k + 1}, outliers removed", "-", *cells))
        notes.append("Paper: Figure 5, FPN+ with ResNet-50 on COCO.")
    names = (*(f"mean {name}" for name in AXES), *(f"std {name}" for name in AXES))
    return Table("Regression targets by stage", ("", "samples", *names), tuple(rows), tuple(notes))


def _row(name: str, spread: Spread) -> tuple[str, ...]:
    return (name, str(spread.count), *map(_digits, (*spread.mean, *spread.std)))


def _digits(value: float) -> str:
    return number(value, 4)


def delta_statistics_findings(result: DeltaStatistics) -> tuple[str, ...]:
    """How the spread shrinks, how much of that is the cut, and whether the constants fit."""
    found: list[str] = []
    for stage in result.stages:
        if stage.kept.count < FEW:
            found.append(
                f"Stage {stage.stage + 1} has {stage.kept.count} samples at u = "
                f"{stage.threshold:g}: too few for its statistics ({FEW} are wanted)."
            )
        elif stage is not result.stages[0]:
            found += _shrinkage(result.stages[0], stage, result.floor)
    for stage in result.stages:
        found += _drift(stage) if stage.drifted else []
    known = [stage for stage in result.stages if stage.kept.count >= FEW]
    if known and not any(stage.drifted for stage in known):
        ratios = [ratio for stage in known for ratio in stage.ratios]
        found.append(
            f"delta_stds fit: measured stds are {min(ratios):.2f} to {max(ratios):.2f} times those "
            f"in use."
        )
    return tuple(found)


def _shrinkage(first: StageDeltas, stage: StageDeltas, floor: float) -> list[str]:
    """A later stage's spread beside the first one's, and what the cut alone would do."""
    if not (_measured(first.kept) and _measured(stage.kept)):
        return []
    total, uncut = _times(stage.kept, first.kept), _times(stage.uncut, first.uncut)
    start = (
        f"The spread of deltas at stage {stage.stage + 1} is {total:.2f} times that of stage 1 "
        f"({uncut:.2f} times from IoU {floor:g} on)"
    )
    if total >= 1:
        return [f"{start}: it does not shrink."]
    if not _measured(stage.first_cut):
        return [
            f"{start}. Only {stage.first_cut.count} of stage 1's own samples reach "
            f"{stage.threshold:g}: too few to tell what the cut alone does."
        ]
    cut = _times(stage.first_cut, first.kept)
    # Factors multiply: what the cut does to boxes as they were, and what refining them adds.
    refined = total / cut
    verdict = ", so better boxes add little" if refined > LITTLE else "; better boxes do the rest"
    return [
        f"{start}. Cutting stage 1's own samples at {stage.threshold:g} alone gives {cut:.2f}"
        f"{verdict} (times {refined:.2f})."
    ]


def _times(spread: Spread, other: Spread) -> float:
    """How many times as wide, as the geometric mean of the four; no std is 0."""
    return float(np.exp(np.log(np.array(spread.std) / np.array(other.std)).mean()))


def _drift(stage: StageDeltas) -> list[str]:
    """Which constants of a stage do not fit."""
    name = f"Stage {stage.stage + 1}"
    found = []
    wrong = [k for k, r in enumerate(stage.ratios) if not 1 / DRIFT <= r <= DRIFT]
    if wrong:
        cells = ", ".join(
            f"{AXES[k]} {stage.kept.std[k]:.3f} for {stage.stds_in_use[k]:.3f}" for k in wrong
        )
        found.append(
            f"{name}'s delta_stds are off by more than a factor of {DRIFT:g}: measured {cells} in "
            f"use."
        )
    wrong = [k for k, shift in enumerate(stage.shifts) if abs(shift) > SHIFT]
    if wrong:
        cells = ", ".join(f"{AXES[k]} by {stage.shifts[k]:+.2f}" for k in wrong)
        found.append(f"{name}'s deltas are off centre, in stds in use: {cells}.")
    return found
