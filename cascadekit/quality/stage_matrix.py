"""Instrument 6: every head on every stage's boxes, and the ensembles (paper, Table 2, Figure 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from cascadekit.errors import check_word
from cascadekit.evaluation.bootstrap import LEVEL, ROUNDS
from cascadekit.evaluation.coco_records import Result
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.ap_curves import (
    SHOWN,
    ApCurve,
    ApCurves,
    choices_of,
    compute_ap_curves,
    draw_curve,
    finish_curves,
    gain_cells,
    verdict,
)
from cascadekit.quality.records import ImageRecord, Recording, StageBoxes, to_results
from cascadekit.quality.tables import Table
from cascadekit.visualization.canvas import INK, ink_on, points
from cascadekit.visualization.plots import new_plots, stage_color

REGRESSORS = {
    "stage": "boxes refined by the stage's own regressor",
    "head": "boxes refined by the regressor of the head that scores them",
}
BORROWED = "Heads without a regressor score stage 1's refined boxes."
PANELS = ("AP", "AP50", "AP75", "AP90")
HEAT = LinearSegmentedColormap.from_list("heat", ["#f6f8fa", "#9ecae9", "#0072B2"])


@dataclass(frozen=True)
class Cell:
    """One head on one stage's boxes.

    Attributes:
        stage: whose input boxes, 0..S-1.
        head: whose scores.
        curve: AP, called "stage1/head2". Its gain is over the same head on the boxes of the first
            stage that it was run on, normally stage 1; there it is None.
    """

    stage: int
    head: int
    curve: ApCurve


@dataclass(frozen=True)
class StageMatrix:
    """All heads on all stages' boxes.

    Attributes:
        regressor: "stage" or "head", a key of `REGRESSORS`: whose regressor refines the boxes of a
            cell. On the diagonal both are the same.
        borrowed: whether a cell's regressor does not exist, as those of two heads of the integral
            loss: such cells report stage 1's refined boxes, as the detector itself does.
        stages: S; may be 0.
        heads: numbers of the heads, ascending; may be empty.
        thresholds: u of each of `heads`.
        cells: S x heads, stage by stage; a head that was not run on a stage's boxes is missing.
        choices: AP of the recording's own detections by choice of stages: "1", "2", "3", then the
            ensembles "1~2", "1~3". Gains are over the first.
        final: the choice that is the detector's answer.
    """

    regressor: str
    borrowed: bool
    stages: int
    heads: tuple[int, ...]
    thresholds: tuple[float, ...]
    cells: tuple[Cell, ...]
    choices: ApCurves
    final: str

    def at(self, stage: int, head: int) -> Cell | None:
        """The cell of a stage and a head, both from 0; None: that head was not run there."""
        return next((c for c in self.cells if (c.stage, c.head) == (stage, head)), None)

    def numbers(self) -> dict[str, Mapping[str, float]]:
        """Flat: "stage1/head2" -> AP by name, as `ap_numbers` gives it."""
        return {cell.curve.name: cell.curve.ap for cell in self.cells}

    @property
    def stated(self) -> str:
        """Whose regressor, for captions."""
        said = f"Cell of stage s and head t: {REGRESSORS[self.regressor]}; scores of head t."
        return f"{said} {BORROWED}" if self.borrowed else said


def compute_stage_matrix(
    recording: Recording,
    regressor: str = "stage",
    rounds: int = ROUNDS,
    seed: int = 0,
    level: float = LEVEL,
) -> StageMatrix:
    """Score every head on every stage's boxes, from one recording.

    Args:
        recording: made with all heads; otherwise the cells of heads that were not run are missing.
        regressor: "stage": a cell's boxes are refined by the stage's own regressor, as the
            released test code does it for its ensembles; "head": by that of the cell's head.
        rounds: draws of images behind the intervals; 0: no intervals.
        seed: of the draws.
        level: of the intervals.

    Returns:
        The matrix; without images it has no cells.

    Raises:
        InputError: another `regressor`, or a level outside (0, 1).

    Source: Cai and Vasconcelos, Table 2 and Figure 8, which do not say whose regressor was used off
    the diagonal. Suppression runs on pixels of the file, the detector's own on network pixels, so
    the diagonal can differ from `choices` in the last digits.
    """
    check_word("regressor", regressor, REGRESSORS)
    stages = recording.images[0].stages if recording.images else ()
    heads = sorted({head for stage in stages for head in stage.logits_by_head})
    truth = recording.ground_truth()
    cells: list[Cell] = []
    for head in heads:
        places = [s for s in range(len(stages)) if _was_run(stages, s, head, regressor)]
        column = {
            f"stage{s + 1}/head{head + 1}": (truth, _results(recording, s, head, regressor))
            for s in places
        }
        curves = compute_ap_curves(column, None, rounds, seed, level).curves
        cells += [Cell(s, head, curve) for s, curve in zip(places, curves, strict=True)]
    choices = choices_of(recording)
    ordered = {name: choices[name] for name in sorted(choices, key=lambda n: ("~" in n, n))}
    return StageMatrix(
        regressor,
        any(_refiner(stages[c.stage], c.head, regressor) not in _with(stages) for c in cells),
        len(stages),
        tuple(heads),
        tuple(recording.stage_ious[head] for head in heads),
        tuple(sorted(cells, key=lambda c: (c.stage, c.head))),
        compute_ap_curves(ordered, None, rounds, seed, level),
        recording.final,
    )


def _refiner(stage: StageBoxes, head: int, regressor: str) -> int:
    """The head whose regressor refines a cell's boxes."""
    return stage.head if regressor == "stage" else head


def _with(stages: Sequence[StageBoxes]) -> set[int]:
    """Heads that have a regressor."""
    return {stage.head for stage in stages if stage.head in stage.boxes_by_head}


def _was_run(stages: Sequence[StageBoxes], s: int, head: int, regressor: str) -> bool:
    """Whether the recording has the scores of a cell, and its boxes if there is a regressor."""
    refiner = _refiner(stages[s], head, regressor)
    known = refiner in stages[s].boxes_by_head or refiner not in _with(stages)
    return head in stages[s].logits_by_head and known


def _class_boxes(image: ImageRecord, s: int, head: int, regressor: str) -> Tensor:
    """(R, G, 4) boxes of a cell; row r is the same roi in all stages, so stage 1's fit any."""
    boxes = image.stages[s].boxes_by_head.get(_refiner(image.stages[s], head, regressor))
    if boxes is not None:
        return boxes
    first = image.stages[0]
    return first.boxes_by_head.get(first.head, first.output_boxes[:, None])


def _results(recording: Recording, s: int, head: int, regressor: str) -> list[Result]:
    """Detections of one cell, chosen as the detector chooses its own."""
    results: list[Result] = []
    for i, image in enumerate(recording.images):
        scores = image.stages[s].logits_by_head[head].softmax(1)
        info = replace(image.info, size=image.info.original_size)  # clips in pixels of the file
        boxes = _class_boxes(image, s, head, regressor)
        results += to_results(i, recording.postprocess(boxes, scores, info))
    return results


def plot_stage_matrix(result: StageMatrix, columns: Sequence[str] = PANELS) -> Figure:
    """A heat map for each kind of AP: stages' boxes down, heads across, AP in percent.

    The detector's own pairs are framed. Each map has its own scale of colours.

    Args:
        result: what to draw.
        columns: names of APs ("AP", "AP75", "AP_small"), a map for each; at least one.

    Returns:
        The figure.
    """
    side = 110 + 62 * max(len(result.heads), result.stages, 2)
    figure, plots = new_plots(list(columns), "", "", (side, side + 10), columns=4)
    for axes, name in zip(plots, columns, strict=True):
        _draw_map(axes, result, name)
    _state(figure, result)
    return figure


def _draw_map(axes: Axes, result: StageMatrix, name: str) -> None:
    grid = np.full((result.stages, len(result.heads)), np.nan)
    for cell in result.cells:
        grid[cell.stage, result.heads.index(cell.head)] = 100 * cell.curve.ap[name]
    axes.grid(False)
    axes.tick_params(length=0)
    axes.set_xticks(range(len(result.heads)), [f"head {h + 1}" for h in result.heads])
    axes.set_yticks(range(result.stages), [f"boxes {s + 1}" for s in range(result.stages)])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if np.isnan(grid).all():
        return
    low, high = np.nanmin(grid), max(np.nanmax(grid), np.nanmin(grid) + 1e-6)
    axes.imshow(grid, cmap=HEAT, vmin=low, vmax=high, aspect="auto")
    for (s, column), value in np.ndenumerate(grid):
        if np.isnan(value):
            continue
        background = to_hex(HEAT((value - low) / (high - low)))
        axes.text(
            *(column, s, f"{value:.1f}"),
            color=ink_on(background),
            fontsize=points(15),
            ha="center",
            va="center_baseline",
        )
    # A one-headed detector has no diagonal: all cells are its own.
    for s in range(min(grid.shape) if len(result.heads) > 1 else 0):
        frame = Rectangle((s - 0.46, s - 0.46), 0.92, 0.92, fill=False, edgecolor=INK)
        frame.set_linewidth(points(2))
        axes.add_patch(frame)


def plot_head_curves(result: StageMatrix) -> Figure:
    """Figure 8: a plot per head, with its AP by IoU threshold on the boxes of each stage.

    Args:
        result: what to draw; without heads the figure has one empty plot.

    Returns:
        The figure; the legends give the mean AP in percent.
    """
    titles = [
        f"Head {h + 1} (u = {u:g})" for h, u in zip(result.heads, result.thresholds, strict=True)
    ]
    figure, plots = new_plots(titles or ["No heads"], "IoU threshold", "AP (%)", (380, 360))
    tops = [np.nan_to_num(cell.curve.by_threshold).max() for cell in result.cells]
    for axes, head in zip(plots, result.heads, strict=False):
        for cell in result.cells:
            if cell.head == head:
                label = f"stage {cell.stage + 1}'s boxes ({percent(cell.curve.ap['AP'])})"
                draw_curve(axes, cell.curve, label, stage_color(cell.stage), band=False)
        finish_curves(axes)
        axes.set_ylim(0, 105 * max([*tops, 0.01]))  # one scale for all heads
    _state(figure, result)
    return figure


def _state(figure: Figure, result: StageMatrix) -> None:
    """Say above a figure whose regressor it shows."""
    figure.suptitle(result.stated, fontsize=points(13), color=INK, parse_math=False)


def stage_matrix_table(result: StageMatrix) -> Table:
    """A row per stage and head: AP and AP50 to AP90 in percent, and the gain over stage 1's."""
    rows = [
        (
            f"boxes {cell.stage + 1}, head {cell.head + 1}",
            *(percent(cell.curve.ap[name]) for name in SHOWN),
            *gain_cells(cell.curve.gain),
        )
        for cell in result.cells
    ]
    share = f"{100 * result.choices.level:g} %"
    return Table(
        "AP (%) of every head on every stage's boxes",
        ("", *SHOWN, "gain", f"gain, {share}"),
        tuple(rows),
        (result.stated, "Gains are over the same head on the boxes of the first stage."),
    )


def stage_choices_table(result: StageMatrix) -> Table:
    """The paper's Table 2: the stages alone and their ensembles, as the detector chooses."""
    rows = [
        (
            f"{'stages' if '~' in curve.name else 'stage'} {curve.name}"
            + (" (the detector's answer)" if curve.name == result.final else ""),
            *(percent(curve.ap[name]) for name in SHOWN),
            *gain_cells(curve.gain),
        )
        for curve in result.choices.curves
    ]
    share = f"{100 * result.choices.level:g} %"
    note = "Ensembles average the scores of several stages on the boxes of the last of them."
    return Table(
        "AP (%) by stage",
        ("", *SHOWN, "gain", f"gain, {share}"),
        tuple(rows),
        (note, f"Gains are over stage {result.choices.reference}.") if rows else (),
    )


def stage_matrix_findings(result: StageMatrix) -> tuple[str, ...]:
    """What later boxes do for each head, and what later stages and the ensemble add."""
    found = []
    for head, u in zip(result.heads, result.thresholds, strict=True):
        first, last = result.at(0, head), result.at(result.stages - 1, head)
        if first is None or last is None or not _known(last.curve):
            continue
        found.append(
            f"Head {head + 1} (u = {u:g}) has {percent(first.curve.ap['AP'])} AP on stage 1's "
            f"boxes and {percent(last.curve.ap['AP'])} on those of stage {result.stages}: "
            f"{verdict(last.curve.gain)}."
        )
    reference = result.choices.reference
    for curve in result.choices.curves:
        if _known(curve) and ("~" not in curve.name or curve.name == result.final):
            found.append(
                f"{_called(curve.name)} {percent(curve.ap['AP'])} AP, "
                f"{_called(reference).lower()} {percent(result.choices.curves[0].ap['AP'])}: "
                f"{verdict(curve.gain)}."
            )
    return tuple(found)


def _known(curve: ApCurve) -> bool:
    """Whether there is a comparison to speak of."""
    return curve.gain is not None and curve.gain.known


def _called(choice: str) -> str:
    if "~" in choice:
        return f"The ensemble of stages {choice} has"
    return f"Stage {choice} alone has"
