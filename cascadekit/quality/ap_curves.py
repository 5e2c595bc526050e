"""Instrument 5: AP by IoU threshold, of any detectors (paper, Figures 2c, 7, 8 and 9b)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.errors import check_word
from cascadekit.evaluation.bootstrap import (
    COLUMNS,
    LEVEL,
    ROUNDS,
    Comparison,
    bootstrap_ap,
    compare_draws,
)
from cascadekit.evaluation.coco_ap import REPORTED, SIZES, THRESHOLDS, evaluate_coco
from cascadekit.evaluation.coco_records import GroundTruth, Result
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.records import Recording, to_results
from cascadekit.quality.tables import Table, number
from cascadekit.visualization.canvas import points
from cascadekit.visualization.plots import LINE_COLORS, add_legend, new_plots

Scored = tuple[GroundTruth, Sequence[Result]]
SHOWN = ("AP", *(f"AP{percent}" for percent in REPORTED))  # columns of tables


@dataclass(frozen=True)
class ApCurve:
    """AP of one detector; arrays go by `bootstrap.COLUMNS`: AP, then the ten thresholds.

    Attributes:
        name: for legends and tables.
        ap: "AP", "AP50", "AP55", ..., "AP95", "AP_small", "AP_medium", "AP_large" -> fraction; nan
            without objects.
        low: (11,) float64, lower end of the band over images; nan without draws.
        high: (11,) upper end.
        gain: this curve against the reference, on the same draws of images; None for the reference
            itself and where the ground truth is another one.
    """

    name: str
    ap: Mapping[str, float]
    low: np.ndarray
    high: np.ndarray
    gain: Comparison | None

    @property
    def by_threshold(self) -> np.ndarray:
        """(10,) float64, AP at IoU 0.50, 0.55, ..., 0.95."""
        return np.array([self.ap[name] for name in COLUMNS[1:]])


@dataclass(frozen=True)
class ApCurves:
    """Detectors beside each other.

    Attributes:
        curves: may be empty.
        reference: name of the curve that the others are compared with; "" without curves.
        iou_type: "bbox" or "segm".
        rounds: draws of images behind the bands.
        level: of the bands and intervals.
        images: how many images, by name of the curve.
        objects: how many objects that count, by name of the curve.
    """

    curves: tuple[ApCurve, ...]
    reference: str
    iou_type: str
    rounds: int
    level: float
    images: Mapping[str, int]
    objects: Mapping[str, int]


def compute_ap_curves(
    detectors: Mapping[str, Recording | Scored],
    reference: str | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
    level: float = LEVEL,
    iou_type: str = "bbox",
) -> ApCurves:
    """Score detectors at ten IoU thresholds, with bands over images.

    Args:
        detectors: name -> recording (its final detections count) or (COCO ground truth, COCO
            results list); may be empty.
        reference: name of the one that the others are compared with; None: the first.
        rounds: draws of images; 0: no bands.
        seed: of the draws.
        level: of the bands, in (0, 1).
        iou_type: "bbox", or "segm" where no detector is a recording (those have no masks).

    Returns:
        A curve per detector, in the given order.

    Raises:
        InputError: no detector is called as the reference, or as `bootstrap_ap`.

    Source: Cai and Vasconcelos, Figure 2c. The bands are ours.
    """
    scored = {name: _scored(detector) for name, detector in detectors.items()}
    if reference is not None:
        check_word("reference", reference, scored)
    first = next(iter(scored), "") if reference is None else reference
    drawn = {n: bootstrap_ap(*s, rounds, seed, iou_type) for n, s in scored.items()}
    curves = []
    for name, (truth, results) in scored.items():
        comparable = name != first and truth == scored[first][0]
        gain = compare_draws(drawn[first], drawn[name], level) if comparable else None
        low, high = drawn[name].band(level)
        curves.append(ApCurve(name, ap_numbers(truth, results, iou_type), low, high, gain))
    return ApCurves(
        tuple(curves),
        first,
        iou_type,
        rounds,
        level,
        {name: len(truth["images"]) for name, (truth, _) in scored.items()},
        {name: _objects(truth) for name, (truth, _) in scored.items()},
    )


def ap_numbers(
    ground_truth: GroundTruth, results: Sequence[Result], iou_type: str = "bbox"
) -> dict[str, float]:
    """Every AP by its name: "AP", "AP50", "AP55", ..., "AP95", "AP_small", ..., fractions.

    Args:
        ground_truth: COCO dict.
        results: COCO results list; may be empty.
        iou_type: "bbox" or "segm".

    Returns:
        14 numbers; nan without objects.

    Raises:
        InputError: as `evaluate_coco`.
    """
    scores = evaluate_coco(ground_truth, results, iou_type)
    values = zip(COLUMNS, (scores.ap, *scores.ap_by_threshold), strict=True)
    return {**dict(values), **{f"AP_{size}": scores.ap_by_size[size] for size in SIZES}}


def recording_results(recording: Recording, choice: str | None = None) -> list[Result]:
    """Detections of a recording as a COCO results list.

    Args:
        recording: of any detector; may be without images.
        choice: of stages, a key of `detections` ("2", "1~3"); None: the detector's answer.

    Returns:
        Results whose image ids are those of `recording.ground_truth()`.

    Raises:
        InputError: there is no such choice.
    """
    name = recording.final if choice is None else choice
    if recording.images:
        check_word("choice of stages", name, recording.images[0].detections)
    return [r for i, e in enumerate(recording.images) for r in to_results(i, e.detections[name])]


def choices_of(recording: Recording, names: Mapping[str, str] | None = None) -> dict[str, Scored]:
    """One recording's choices of stages as detectors, for Figure 9b and the paper's Table 2.

    Args:
        recording: of any detector; without images it has no choices.
        names: choice of stages -> its name in the plot; None: all, as they are called.

    Returns:
        What `compute_ap_curves` takes.

    Raises:
        InputError: there is no such choice.
    """
    if not recording.images:
        return {}
    wanted = {key: key for key in recording.images[0].detections} if names is None else names
    truth = recording.ground_truth()
    return {shown: (truth, recording_results(recording, key)) for key, shown in wanted.items()}


def _scored(detector: Recording | Scored) -> Scored:
    if isinstance(detector, Recording):
        return detector.ground_truth(), recording_results(detector)
    return detector


def _objects(truth: GroundTruth) -> int:
    return sum(not (a.get("iscrowd") or a.get("ignore")) for a in truth["annotations"])


def plot_ap_curves(
    result: ApCurves,
    title: str = "AP by IoU threshold",
    dashed: Collection[str] = (),
    banded: Collection[str] | None = None,
    colors: Sequence[str] = LINE_COLORS,
) -> Figure:
    """Figure 2c: AP in percent by threshold, with bands; the legend gives each mean AP.

    Args:
        result: curves to draw together.
        title: above the plot.
        dashed: names of curves to dash, as those with other proposals in Figure 7a.
        banded: names of curves whose bands are shaded; None: all. Bands that overlap do not mean
            that curves are alike: see `ApCurve.gain`.
        colors: of the curves in their order, and again from the first; e.g. one for each detector
            where a second set of curves is dashed.

    Returns:
        The figure.
    """
    figure, (axes,) = new_plots([title], "IoU threshold", "AP (%)", (520, 420))
    for curve, color in zip(result.curves, cycle(colors), strict=False):
        label = f"{curve.name} ({percent(curve.ap['AP'])})"
        band = banded is None or curve.name in banded
        draw_curve(axes, curve, label, color, curve.name in dashed, band)
    finish_curves(axes)
    return figure


def draw_curve(
    axes: Axes, curve: ApCurve, label: str, color: str, dashed: bool = False, band: bool = True
) -> None:
    """Add one curve to a plot of AP (percent) by IoU threshold; a threshold without AP is left out.

    Args:
        axes: to draw in.
        curve: what to draw.
        label: in the legend.
        color: of line and band.
        dashed: dashes instead of a line.
        band: shade the band over images.
    """
    places = np.array(THRESHOLDS) / 100
    if band and not np.isnan(curve.low[1:]).all():
        axes.fill_between(
            places, 100 * curve.low[1:], 100 * curve.high[1:], color=color, alpha=0.13, linewidth=0
        )
    axes.plot(
        places,
        100 * curve.by_threshold,
        color=color,
        label=label,
        linestyle=(0, (5, 2)) if dashed else "-",
        linewidth=points(2.5),
        marker="o",
        markersize=points(5),
    )


def finish_curves(axes: Axes) -> None:
    """Limits, ticks and legend of a plot of AP by IoU threshold."""
    axes.set_xticks([0.5, 0.6, 0.7, 0.8, 0.9])
    axes.set_xlim(0.48, 0.97)
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        add_legend(axes, "lower left")


def ap_curves_table(result: ApCurves) -> Table:
    """A row per detector: AP and AP50 to AP90 in percent, and the gain over the reference."""
    compared = any(curve.gain is not None for curve in result.curves)
    rows = [
        (
            curve.name,
            *(percent(curve.ap[name]) for name in SHOWN),
            *([interval(curve.low[0], curve.high[0])] if result.rounds else []),
            *(gain_cells(curve.gain) if compared else []),
        )
        for curve in result.curves
    ]
    share = f"{100 * result.level:g} %"
    header = ("", *SHOWN, *([f"AP, {share}"] if result.rounds else []))
    notes = []
    if result.rounds:
        notes.append(
            f"{share} intervals: {result.rounds} draws of the images; they say nothing of another "
            "training of the same detector."
        )
    if compared:
        header = (*header, "gain", f"gain, {share}")
        notes.append(f"Gains are over {result.reference}, on the same draws.")
    kind = "Mask AP" if result.iou_type == "segm" else "AP"
    return Table(f"{kind} (%) by IoU threshold", header, tuple(rows), tuple(notes))


def gain_cells(gain: Comparison | None, column: str = "AP") -> tuple[str, str]:
    """A gain in AP points and its interval, for a table; dashes where there is none."""
    if gain is None:
        return "-", "-"
    i = COLUMNS.index(column)
    ends = interval(gain.low[i], gain.high[i], signed=True)
    return number(100 * gain.difference[i], 1, signed=True), ends


def interval(low: float, high: float, signed: bool = False) -> str:
    """Two fractions as percent: "38.1 to 43.2"; "-" where they are not known."""
    if np.isnan(low) or np.isnan(high):
        return "-"
    return f"{number(100 * low, 1, signed)} to {number(100 * high, 1, signed)}"


def ap_curves_findings(result: ApCurves) -> tuple[str, ...]:
    """How each detector compares with the reference, on the whole and by threshold."""
    by_name = {curve.name: curve for curve in result.curves}
    found = []
    for curve in result.curves:
        if curve.gain is None or not curve.gain.known:
            continue
        before = by_name[result.reference].ap["AP"]
        found.append(
            f"{curve.name} has {percent(curve.ap['AP'])} AP, {result.reference} "
            f"{percent(before)}: {verdict(curve.gain)}."
        )
    return tuple(found)


def verdict(gain: Comparison) -> str:
    """A comparison in words: difference, interval, and the thresholds at which it is clear.

    Args:
        gain: one that is `known`.

    Returns:
        "a gain of 4.3 points (+2.1 to +6.5 with 95 % confidence over images), clearly better at
        IoU 0.70 to 0.95". Each threshold is judged by itself: of ten that do not differ, one may
        seem to by chance.
    """
    difference = gain.difference[0]
    ends = interval(gain.low[0], gain.high[0], signed=True)
    confidence = f"{ends} with {100 * gain.level:g} % confidence over images"
    size = number(100 * abs(difference), 1)
    if gain.signs[0]:
        words = f"a {'gain' if difference > 0 else 'loss'} of {size} points ({confidence})"
    else:
        shown = number(100 * difference, 1, signed=True)
        words = f"no clear difference on the whole ({shown} points, {confidence})"
    better = threshold_runs(gain.signs[1:] > 0)
    worse = threshold_runs(gain.signs[1:] < 0)
    parts = [f"{word} at IoU {where}" for word, where in (("better", better), ("worse", worse))]
    clear = [part for part, where in zip(parts, (better, worse), strict=True) if where]
    joint = ", clearly" if gain.signs[0] else ", but clearly"
    return f"{words}{joint} {' and '.join(clear)}" if clear else words


def threshold_runs(chosen: np.ndarray) -> str:
    """Chosen thresholds in words: "0.50 to 0.65 and 0.90"; "" for none.

    Args:
        chosen: (10,) bool, by `THRESHOLDS`.

    Returns:
        The runs of neighbours.
    """
    runs: list[list[int]] = []
    for i in np.flatnonzero(chosen):
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(int(i))
        else:
            runs.append([int(i)])
    named = [[f"{THRESHOLDS[i] / 100:.2f}" for i in (run[0], run[-1])] for run in runs]
    words = [first if first == last else f"{first} to {last}" for first, last in named]
    return " and ".join(words)
