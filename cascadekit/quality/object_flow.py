"""What becomes of each object from stage to stage: found, tightened, loosened, lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from cascadekit.evaluation.stage_table import row_label
from cascadekit.quality.error_types import CLASSIFICATION, LOCALISATION, ImageErrors
from cascadekit.quality.records import Recording
from cascadekit.structures.boxes import iou
from cascadekit.visualization.canvas import INK, QUIET, ink_on, points
from cascadekit.visualization.plots import new_plots

MISSED, LOOSE, TIGHT = range(3)
LEVELS = ("missed", "loose", "tight")
LEVEL_COLORS = ("#d8dee4", "#E69F00", "#00B88A")
# Why an object was missed, by the first that holds.
REASONS = ("score", "proposals", "class", "box", "lost")
SCORE, NO_PROPOSAL, WRONG_CLASS, LOOSE_BOX, LOST = range(5)
PROPOSALS = "proposals"  # name of the flow's first column
CHANGES = {  # kind of change -> pairs of levels
    "found": ((MISSED, LOOSE), (MISSED, TIGHT)),
    "tightened": ((LOOSE, TIGHT),),
    "loosened": ((TIGHT, LOOSE),),
    "lost": ((LOOSE, MISSED), (TIGHT, MISSED)),
}


@dataclass(frozen=True)
class ChangedObject:
    """An object that a stage did something to.

    Attributes:
        image: number in the recording.
        row: of the object in `truth.counted()`.
        before: best IoU of a detection of its class, 0 where there is none.
        after: likewise, one stage later.
    """

    image: int
    row: int
    before: float
    after: float


@dataclass(frozen=True)
class Transition:
    """Two neighbouring columns of the flow.

    Attributes:
        before: name of the first, "1".
        after: name of the second, "2" or "1~3".
        table: 3 x 3 counts of objects, rows: level before, columns: level after, as in `LEVELS`.
        examples: "found", "tightened", "loosened", "lost" -> the objects that changed most.
    """

    before: str
    after: str
    table: tuple[tuple[int, int, int], ...]
    examples: Mapping[str, tuple[ChangedObject, ...]]

    def count(self, change: str) -> int:
        """How many objects were "found", "tightened", "loosened" or "lost"."""
        return sum(self.table[a][b] for a, b in CHANGES[change])

    @property
    def up(self) -> int:
        """Objects found or tightened."""
        return self.count("found") + self.count("tightened")

    @property
    def down(self) -> int:
        """Objects lost or loosened."""
        return self.count("lost") + self.count("loosened")


@dataclass(frozen=True)
class ObjectFlow:
    """All O counted objects of a data set through C columns: proposals, stages, final.

    Attributes:
        columns: "proposals", "1", "2", ..., and the final choice where it is another.
        thresholds: IoU from which an object is found, and from which it is tight.
        images: (O,) int64, image number of each object; O may be 0.
        rows: (O,) int64, its row in `truth.counted()`.
        levels: (C, O) int64, numbers of `LEVELS`; for proposals by the best box of any class.
        ious: (C, O) float64, best IoU of a counted detection of its class (proposals: of any).
        reasons: (C, O) int64, a number of `REASONS` where a choice of stages missed the object,
            -1 elsewhere.
        transitions: C - 1 entries.
    """

    columns: tuple[str, ...]
    thresholds: tuple[float, float]
    images: np.ndarray
    rows: np.ndarray
    levels: np.ndarray
    ious: np.ndarray
    reasons: np.ndarray
    transitions: tuple[Transition, ...]

    def missed_because(self, column: str) -> dict[str, int]:
        """Reason -> objects that a choice of stages missed for it."""
        own = self.reasons[self.columns.index(column)]
        return {name: int((own == k).sum()) for k, name in enumerate(REASONS)}


def compute_object_flow(
    recording: Recording,
    errors: Mapping[str, Mapping[float, Sequence[ImageErrors]]],
    thresholds: tuple[float, float],
    score_threshold: float,
    max_examples: int = 3,
) -> ObjectFlow:
    """Follow every object from the proposals to the final detections.

    An object is found at an IoU if COCO's matching gives it a detection of its class; it is tight
    at the higher threshold, loose at the lower one only. So one detection never finds two objects.

    Args:
        recording: with stages and detections.
        errors: choice of stages, in order -> threshold -> `ImageErrors` of each image.
        thresholds: (found, tight), both keys of the inner mapping.
        score_threshold: detections below it do not count.
        max_examples: objects to name per kind of change.

    Returns:
        Levels and IoUs of all objects, and what changed between neighbours.
    """
    columns = (PROPOSALS, *errors)
    parts: list[list[Tensor]] = [[] for _ in range(5)]
    for i, record in enumerate(recording.images):
        objects = record.truth.counted()
        rois = record.stages[0].input_boxes if record.stages else objects.boxes[:0]
        proposed = _largest(iou(objects.boxes.double(), rois.double()))
        levels = [(proposed[:, None] >= proposed.new_tensor(thresholds)).sum(1)]
        ious, reasons = [proposed], [torch.full((len(proposed),), -1)]
        for choice in errors:
            own = [errors[choice][t][i] for t in thresholds]
            shown = record.detections[choice].scores >= score_threshold
            levels.append(_levels(own, shown))
            boxes, labels = (record.detections[choice].boxes, record.detections[choice].labels)
            same = objects.labels[:, None] == labels[shown][None, :]
            ious.append(_largest(iou(objects.boxes.double(), boxes[shown].double()) * same))
            missed = levels[-1] == MISSED
            why = _reasons(own[0], shown, proposed >= thresholds[0])
            reasons.append(torch.where(missed, why, -1))
        row = torch.arange(len(proposed))
        kept = (torch.full_like(row, i), row, *map(torch.stack, (levels, ious, reasons)))
        for part, value in zip(parts, kept, strict=True):
            part.append(value)
    images, rows, levels_, ious_, reasons_ = (
        torch.cat(part, -1).numpy() if part else empty
        for part, empty in zip(parts, _nothing(len(columns)), strict=True)
    )
    transitions = tuple(
        _transition(columns, k, levels_, ious_, images, rows, max_examples)
        for k in range(len(columns) - 1)
    )
    return ObjectFlow(columns, thresholds, images, rows, levels_, ious_, reasons_, transitions)


def _nothing(columns: int) -> tuple[np.ndarray, ...]:
    """The five arrays of a flow without images."""
    rows, table = np.zeros(0, np.int64), np.zeros((columns, 0), np.int64)
    return rows, rows, table, table.astype(np.float64), table


def _largest(overlaps: Tensor) -> Tensor:
    """(N,) largest of each row of (N, D); 0 where D is 0."""
    return overlaps.amax(1) if overlaps.shape[1] else overlaps.new_zeros(len(overlaps))


def _levels(errors: Sequence[ImageErrors], shown: Tensor) -> Tensor:
    """(N,) level of each object: the highest threshold at which a shown detection finds it."""
    level = torch.zeros_like(errors[0].found_by)
    for k, own in enumerate(errors, 1):
        level[_found(own, shown)] = k
    return level


def _found(errors: ImageErrors, shown: Tensor) -> Tensor:
    """(N,) bool, objects that a shown detection found."""
    found = errors.found_by >= 0
    found[found.clone()] = shown[errors.found_by[found]]
    return found


def _reasons(errors: ImageErrors, shown: Tensor, proposed: Tensor) -> Tensor:
    """(N,) why each object would be missed; of no meaning for those that are found."""
    why = torch.full_like(errors.found_by, LOST)
    for reason, kind in ((LOOSE_BOX, LOCALISATION), (WRONG_CLASS, CLASSIFICATION)):
        why[errors.targets[(errors.kinds == kind) & shown]] = reason
    why[~proposed] = NO_PROPOSAL
    why[errors.found_by >= 0] = SCORE  # found by a detection that is not shown
    return why


def _transition(
    columns: Sequence[str],
    k: int,
    levels: np.ndarray,
    ious: np.ndarray,
    images: np.ndarray,
    rows: np.ndarray,
    most: int,
) -> Transition:
    """Column k beside the next."""
    pair = levels[k] * 3 + levels[k + 1]
    table = np.bincount(pair.astype(int), minlength=9).reshape(3, 3)
    change = ious[k + 1] - ious[k]
    examples = {}
    for name, pairs in CHANGES.items():
        hit = np.flatnonzero(np.isin(pair, [a * 3 + b for a, b in pairs]))
        order = hit[np.argsort(-np.abs(change[hit]), kind="stable")][:most]
        examples[name] = tuple(
            ChangedObject(int(images[o]), int(rows[o]), float(ious[k][o]), float(ious[k + 1][o]))
            for o in order
        )
    found, loose, tight = (tuple(map(int, row)) for row in table)
    return Transition(columns[k], columns[k + 1], (found, loose, tight), examples)


def column_label(name: str) -> str:
    """How a column is called: "proposals", "stage 2", "stages 1~3"."""
    return name if name == PROPOSALS else row_label(name)


def plot_object_flow(flow: ObjectFlow) -> Figure:
    """Bands of objects from column to column: as high as their count, coloured as they end.

    Tight objects stand on top; bands of objects that change have an edge. The first column shows
    what the proposals reach, whatever the class.
    """
    found, tight = flow.thresholds
    title = f"objects: tight from IoU {tight:g}, loose from {found:g}"
    figure, (axis,) = new_plots([title], size=(max(420, 190 * len(flow.columns)), 380))
    total = flow.levels.shape[1]
    axis.set(xlim=(-0.5, len(flow.columns) - 0.7), ylim=(0, max(total, 1)), yticks=[])
    axis.set_xticks(range(len(flow.columns)), [column_label(name) for name in flow.columns])
    axis.grid(False)
    axis.spines["left"].set_visible(False)
    if not total:
        axis.text(0.5, 0.5, "no objects", transform=axis.transAxes, ha="center", color=QUIET)
        return figure
    for k, (before, after) in enumerate(pairwise(flow.levels)):
        _draw_bands(axis, k, np.bincount(before * 3 + after, minlength=9).reshape(3, 3))
    for k, column in enumerate(flow.levels):
        _draw_column(axis, k, np.bincount(column, minlength=3), total)
    return figure


HALF = 0.11  # half a column's width


def _draw_column(axis: Axes, k: int, counts: np.ndarray, total: int) -> None:
    """The levels of one column, their counts written in where there is room."""
    bottom = 0
    for level, count in enumerate(counts.tolist()):
        color = LEVEL_COLORS[level]
        axis.bar(k, count, 2 * HALF, bottom, color=color, edgecolor="white", label=LEVELS[level])
        if count >= 0.045 * total:
            place = {"va": "center", "fontsize": points(12)}
            middle = bottom + count / 2
            axis.text(k, middle, str(count), ha="center", color=ink_on(color), **place)
            if k == 0:
                axis.text(-1.3 * HALF, middle, LEVELS[level], ha="right", color=INK, **place)
        bottom += count


def _draw_bands(axis: Axes, k: int, table: np.ndarray) -> None:
    """Bands between columns k and k + 1, in the order of the levels at both ends."""
    x = np.linspace(k + HALF, k + 1 - HALF, 30)
    ease = (1 - np.cos(np.linspace(0, np.pi, 30))) / 2
    starts = np.cumsum(table.ravel()).reshape(3, 3) - table
    ends = (np.cumsum(table.T.ravel()).reshape(3, 3) - table.T).T
    for a in range(3):
        for b in range(3):
            if table[a, b]:
                low = starts[a, b] + (ends[a, b] - starts[a, b]) * ease
                alpha = 0.45 if a != b else 0.22
                color = LEVEL_COLORS[b] if a != b else LEVEL_COLORS[a]
                edge = {"linewidth": points(0.5), "edgecolor": INK} if a != b else {"linewidth": 0}
                axis.fill_between(x, low, low + table[a, b], color=color, alpha=alpha, **edge)
