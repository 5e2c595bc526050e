"""Instrument 10: what goes wrong at each stage, and what each stage mends or breaks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import THRESHOLDS, CocoScores, evaluate_coco
from cascadekit.evaluation.stage_table import percent, row_label
from cascadekit.quality.error_fixes import FIXES, ap_if_fixed
from cascadekit.quality.error_types import (
    CORRECT,
    FLOOR,
    KINDS,
    UNCOUNTED,
    ImageErrors,
    classify_detections,
)
from cascadekit.quality.object_flow import ObjectFlow, column_label, compute_object_flow
from cascadekit.quality.object_flow import plot_object_flow as plot_object_flow
from cascadekit.quality.records import Recording, to_results
from cascadekit.quality.stage_error_findings import stage_errors_findings as stage_errors_findings
from cascadekit.quality.tables import Table, number
from cascadekit.visualization.canvas import INK, QUIET, points
from cascadekit.visualization.plots import add_legend, new_plots, stage_color

SCORE_THRESHOLD = 0.3
FOUND, TIGHT = 0.5, 0.75
COLUMNS = {  # kind -> what a table calls it
    "correct": "correct",
    "localisation": "loose box",
    "classification": "wrong class",
    "both": "loose, wrong class",
    "duplicate": "duplicate",
    "background": "background",
}
KIND_COLORS = ("#0072B2", "#E69F00", "#CC79A7", "#E8601C", "#56B4E9", "#9aa3ad")
MISSED_COLOR = "#d8dee4"


@dataclass(frozen=True)
class ErrorCounts:
    """The detections of one choice of stages at one IoU threshold.

    Attributes:
        choice: "1", "2", "1~3".
        threshold: IoU that makes a detection right.
        shown: kind (`KINDS`, then "uncounted") -> detections of the score threshold or more.
        all: likewise, whatever their score.
        found: objects that a shown detection found.
        missed: the others.
        ap: AP at this IoU, of all detections; nan without objects.
        gains: kind of error (`FIXES`) -> AP gained if it were mended; empty if not asked for.
    """

    choice: str
    threshold: float
    shown: Mapping[str, int]
    all: Mapping[str, int]
    found: int
    missed: int
    ap: float
    gains: Mapping[str, float]


@dataclass(frozen=True)
class StageErrors:
    """Error anatomy of all stages.

    Attributes:
        score_threshold: detections below it are not shown.
        floor: IoU below which a detection is background.
        thresholds: IoUs, ascending.
        counts: one entry per choice of stages and threshold, choices outer, in order.
        ap: choice of stages -> AP, the mean over all ten thresholds; nan without objects.
        flow: what became of each object.
        final: the choice that is the detector's answer.
        num_images: of the recording.
        num_objects: counted ones.
        shared_rois: whether all stages looked at the same boxes (integral loss).
    """

    score_threshold: float
    floor: float
    thresholds: tuple[float, ...]
    counts: tuple[ErrorCounts, ...]
    ap: Mapping[str, float]
    flow: ObjectFlow
    final: str
    num_images: int
    num_objects: int
    shared_rois: bool

    def at(self, choice: str, threshold: float) -> ErrorCounts:
        """The counts of a choice of stages at a threshold.

        Args:
            choice: "1", "1~3".
            threshold: one of `thresholds`.

        Returns:
            Its counts.

        Raises:
            KeyError: there are none.
        """
        for counts in self.counts:
            if counts.choice == choice and counts.threshold == threshold:
                return counts
        raise KeyError((choice, threshold))

    @property
    def choices(self) -> tuple[str, ...]:
        """All choices of stages, in order; empty without images."""
        return self.flow.columns[1:]


def compute_stage_errors(
    recording: Recording,
    score_threshold: float = SCORE_THRESHOLD,
    thresholds: Sequence[float] = (FOUND, TIGHT),
    floor: float = FLOOR,
    gains: bool = True,
) -> StageErrors:
    """Classify the detections of each stage and of the final answer; follow the objects.

    Args:
        recording: with detections of each stage; no images, objects or detections is fine.
        score_threshold: detections below it are not counted as shown; AP takes all.
        thresholds: IoUs to judge at, ascending, two or more of 0.5, 0.55, ..., 0.95. The first is
            where an object is found, the last where it is tight.
        floor: IoU below which a detection is background.
        gains: compute AP with each kind of error mended: six evaluations per choice of stages
            and threshold.

    Returns:
        Counts, gains and the flow of objects.

    Raises:
        InputError: a threshold that AP is not known at, fewer than two, not ascending; `floor` not
            below them; a score threshold outside [0, 1].
    """
    marks = _checked(thresholds, floor, score_threshold)
    choices = _choices(recording)
    errors = {
        choice: {
            t: [classify_detections(r.detections[choice], r.truth, t, floor) for r in images]
            for t in marks
        }
        for choice in choices
        for images in [recording.images]
    }
    scores = {choice: _scores(recording, choice) for choice in choices}
    counts = [
        _count(recording, scores[choice], choice, t, errors[choice][t], score_threshold, gains)
        for choice in choices
        for t in marks
    ]
    flow = compute_object_flow(recording, errors, (marks[0], marks[-1]), score_threshold)
    return StageErrors(
        score_threshold,
        floor,
        marks,
        tuple(counts),
        {choice: own.ap for choice, own in scores.items()},
        flow,
        recording.final,
        len(recording.images),
        len(flow.rows),
        _share_rois(recording),
    )


def _checked(
    thresholds: Sequence[float], floor: float, score_threshold: float
) -> tuple[float, ...]:
    marks = tuple(float(t) for t in thresholds)
    known = [p / 100 for p in THRESHOLDS]
    if len(marks) < 2 or sorted(set(marks)) != list(marks) or not set(marks) <= set(known):
        raise InputError(
            f"thresholds must be two or more of 0.5, 0.55, ..., 0.95, ascending; got {marks}"
        )
    if not 0 < floor < marks[0]:
        raise InputError(f"floor must lie between 0 and {marks[0]:g}, got {floor:g}")
    if not 0 <= score_threshold <= 1:
        raise InputError(f"score_threshold must lie in [0, 1], got {score_threshold:g}")
    return marks


def _choices(recording: Recording) -> tuple[str, ...]:
    """Every single stage that has detections, then the final choice if it is another."""
    if not recording.images:
        return ()
    known = recording.images[0].detections
    single = [str(k + 1) for k in range(recording.num_stages) if str(k + 1) in known]
    return tuple(dict.fromkeys([*single, recording.final]))


def _scores(recording: Recording, choice: str) -> CocoScores:
    """Scores of one choice as it is."""
    images = enumerate(recording.images)
    results = [r for i, image in images for r in to_results(i, image.detections[choice])]
    return evaluate_coco(recording.ground_truth(), results)


def _count(
    recording: Recording,
    scores: CocoScores,
    choice: str,
    threshold: float,
    errors: Sequence[ImageErrors],
    score_threshold: float,
    gains: bool,
) -> ErrorCounts:
    """Numbers of one choice at one threshold."""
    shown, every = [0] * (UNCOUNTED + 1), [0] * (UNCOUNTED + 1)
    objects = 0
    for record, own in zip(recording.images, errors, strict=True):
        seen = record.detections[choice].scores >= score_threshold
        objects += len(own.found_by)
        for kind in range(UNCOUNTED + 1):
            every[kind] += int((own.kinds == kind).sum())
            shown[kind] += int((own.kinds[seen] == kind).sum())
    names = (*KINDS, "uncounted")
    ap = scores.ap_at(round(100 * threshold))
    gained = {
        fix: ap_if_fixed(recording, choice, errors, threshold, fix) - ap
        for fix in (FIXES if gains else ())
    }
    return ErrorCounts(
        choice,
        threshold,
        dict(zip(names, shown, strict=True)),
        dict(zip(names, every, strict=True)),
        shown[CORRECT],
        objects - shown[CORRECT],
        ap,
        gained,
    )


def _share_rois(recording: Recording) -> bool:
    """Whether every stage looked at the first one's boxes, and there were any."""
    if recording.num_stages < 2:
        return False
    pairs = [(r.stages[0].input_boxes, s.input_boxes) for r in recording.images for s in r.stages]
    return any(len(a) for a, _ in pairs) and all(a.equal(b) for a, b in pairs)


def stage_errors_table(result: StageErrors) -> Table:
    """Detections by kind, objects found and missed, and AP, a row per choice and threshold."""
    rows = [
        (
            f"{row_label(c.choice)}, IoU {c.threshold:g}",
            *(str(c.shown[kind]) for kind in KINDS),
            str(c.found),
            str(c.missed),
            percent(c.ap),
        )
        for c in result.counts
    ]
    notes = [
        f"Detections with score {result.score_threshold:g} or more on {result.num_objects} "
        f"objects of {result.num_images} images; AP at this IoU takes all detections.",
        f"Loose: IoU of {result.floor:g} or more, but below that of the row. Detections on "
        "ignored objects and crowds are in no column.",
    ]
    header = ("", *(COLUMNS[kind] for kind in KINDS), "found", "missed", "AP (%)")
    return Table("Detections by kind", header, tuple(rows), tuple(notes))


def stage_errors_gains_table(result: StageErrors) -> Table:
    """AP points gained if one kind of error were mended, a row per choice and threshold."""
    rows = [
        (
            f"{row_label(c.choice)}, IoU {c.threshold:g}",
            percent(c.ap),
            *(number(100 * c.gains.get(fix, math.nan), 1, True) for fix in FIXES),
        )
        for c in result.counts
    ]
    notes = (
        "Computed from all detections, one kind mended at a time; the gains do not add up to what "
        "is missing.",
        "Mended: loose boxes get the object's box and wrong classes its class, unless a detection "
        "found it already; the others go; missed objects go from the ground truth.",
    )
    names = (*(COLUMNS[fix] for fix in FIXES if fix != "missed"), "missed")
    return Table("AP gained if mended (points)", ("", "AP (%)", *names), tuple(rows), notes)


def object_flow_table(result: StageErrors) -> Table:
    """What each stage did to the objects, a row per step."""
    rows = []
    for step in result.flow.transitions:
        names = (column_label(step.before), column_label(step.after))
        counts = [step.count(change) for change in ("found", "tightened", "loosened", "lost")]
        stay = [step.table[k][k] for k in (2, 1, 0)]
        rows.append((" to ".join(names), *map(str, counts), *map(str, stay)))
    found, tight = result.flow.thresholds
    header = ("", "found", "tightened", "loosened", "lost", "still tight", "still loose")
    note = (
        f"Tight: a detection of the right class with IoU {tight:g} or more; loose: {found:g} or "
        f"more; score {result.score_threshold:g} or more. Of proposals the best box counts, "
        "whatever its class and rank, so what stage 1 loosens or loses it may only have ranked "
        "lower."
    )
    return Table("Objects from stage to stage", (*header, "still missed"), tuple(rows), (note,))


def plot_stage_errors(result: StageErrors) -> Figure:
    """Stacked bars of the shown detections by kind, a panel per IoU; below, what mending gains.

    Missed objects hang below the axis.
    """
    marks = result.thresholds
    titles = [f"detections at IoU {t:g}" for t in marks]
    gained = [f"AP gained if mended, IoU {t:g}" for t in marks] if _has_gains(result) else []
    figure, axes = new_plots([*titles, *gained], columns=len(marks), size=(500, 330))
    names = [column_label(choice) for choice in result.choices]
    for axis, t in zip(axes, marks, strict=False):
        counts = [result.at(choice, t) for choice in result.choices]
        bottom = np.zeros(len(counts))
        for kind, color in zip(KINDS, KIND_COLORS, strict=True):
            heights = np.array([c.shown[kind] for c in counts])
            axis.bar(names, heights, 0.6, bottom, color=color, label=COLUMNS[kind])
            bottom = bottom + heights
        missed = [-c.missed for c in counts]
        axis.bar(names, missed, 0.6, color=MISSED_COLOR, label="missed objects")
        _finish(axis, bool(counts))
    for axis, t in zip(axes[len(marks) :], marks, strict=bool(gained)):
        _draw_gains(axis, result, t)
    if result.choices:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=points(12)
        )
    return figure


def _has_gains(result: StageErrors) -> bool:
    return any(counts.gains for counts in result.counts)


def _finish(axis: Axes, any_counts: bool) -> None:
    """A line at 0, numbers of objects without a sign; a word where there is nothing."""
    axis.axhline(0, color=INK, linewidth=points(1))
    axis.set_xlim(-0.6, max(0.6, len(axis.get_xticks()) - 1) + 0.6)  # a lone bar stays narrow
    axis.grid(axis="x", visible=False)
    axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    if not any_counts:
        axis.text(0.5, 0.5, "no images", transform=axis.transAxes, ha="center", color=QUIET)


def _draw_gains(axis: Axes, result: StageErrors, threshold: float) -> None:
    """Bars of AP points per kind of error, a colour per stage, dark for an ensemble."""
    width = 0.8 / max(1, len(result.choices))
    for k, choice in enumerate(result.choices):
        gains = result.at(choice, threshold).gains
        places = np.arange(len(FIXES)) - 0.4 + (k + 0.5) * width
        color = INK if "~" in choice else stage_color(int(choice) - 1)
        heights = [100 * gains[fix] for fix in FIXES]
        axis.bar(places, heights, 0.9 * width, color=color, label=column_label(choice))
    words = [COLUMNS.get(fix, fix).replace(" ", "\n", 1) for fix in FIXES]
    axis.set_xticks(range(len(FIXES)), words)
    axis.grid(axis="x", visible=False)
    axis.set_ylabel("AP points", fontsize=points(13), color=INK)
    add_legend(axis)
