"""Instrument 3: what a regressor makes of boxes of a given quality (paper, Figures 2a and 9a)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.figure import Figure

from cascadekit.errors import InputError, check_word
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.iou_bins import (
    BinnedMeans,
    bin_edges,
    binned_means,
    clear_winners,
    curve_colors,
    draw_counts,
    draw_means,
    turns_negative,
)
from cascadekit.quality.records import Recording
from cascadekit.quality.stage_inputs import (
    check_most,
    first_stages,
    heads_at,
    refined_boxes,
    stage_inputs,
)
from cascadekit.quality.tables import Table, number
from cascadekit.structures.boxes import clip, iou_aligned
from cascadekit.visualization.canvas import QUIET, points
from cascadekit.visualization.plots import add_legend, new_plots

START = 0.5  # the figures begin here: below, the nearest object is often not the one meant
WIDTH = 0.05
ROUNDING = 1e-5  # IoU; less than this is float32 on its way through network pixels and back


@dataclass(frozen=True)
class LocalisationCurve:
    """One regressor on the boxes of one stage; B bins of input IoU.

    Attributes:
        name: for legends and tables.
        stage: whose boxes enter, 0..S-1.
        head: whose regressor refines them.
        threshold: u that the head was trained at.
        output: IoU after, by IoU before.
        gain: IoU after minus IoU before, likewise; its band says whether it differs from 0.
        worse: share of boxes that lost IoU, likewise.
        overall: gain of all boxes in one bin.
        mean_input: mean IoU before of all boxes; nan without boxes.
        mean_output: after.
        share_worse: of all boxes.
        crossing: from which input IoU on boxes get worse on average; None if they never do.
    """

    name: str
    stage: int
    head: int
    threshold: float
    output: BinnedMeans
    gain: BinnedMeans
    worse: BinnedMeans
    overall: BinnedMeans
    mean_input: float
    mean_output: float
    share_worse: float
    crossing: float | None

    @property
    def inputs(self) -> np.ndarray:
        """(B,) float64, mean IoU before of each bin's boxes; nan for an empty bin."""
        return self.output.mean - self.gain.mean

    @property
    def rois(self) -> int:
        """Boxes in all bins together; may be 0."""
        return int(self.overall.count[0])


@dataclass(frozen=True)
class Localisation:
    """Curves to be seen together.

    Attributes:
        curves: may be empty.
        by: "stage" (each stage with its own head), "head" (all heads on the same boxes) or
            "detector" (several recordings); colours go by it.
        most: inputs above this IoU were left out; None: none were.
        clipped: whether refined boxes were cut at the picture's border.
    """

    curves: tuple[LocalisationCurve, ...]
    by: str
    most: float | None
    clipped: bool

    def pick(self, names: Sequence[str]) -> Localisation:
        """Only some of the curves.

        Args:
            names: of the curves, in the order wanted.

        Returns:
            Those curves.

        Raises:
            InputError: there is no curve of a name.
        """
        known = {curve.name: curve for curve in self.curves}
        for name in names:
            check_word("a curve's name", name, known)
        return replace(self, curves=tuple(known[name] for name in names))


@dataclass(frozen=True)
class _Reading:
    """How boxes are read: the arguments of the functions below, checked."""

    edges: np.ndarray
    most: float | None
    clipped: bool
    seed: int


def _reading(width: float, most: float | None, clipped: bool, seed: int) -> _Reading:
    check_most(most, START)
    return _Reading(bin_edges(START, width), most, clipped, seed)


def compute_localisation(
    recording: Recording,
    width: float = WIDTH,
    most: float | None = None,
    clipped: bool = False,
    seed: int = 0,
) -> Localisation:
    """Each stage's own regressor on the boxes that enter the stage.

    Args:
        recording: of all stages; no images, rois or objects is fine.
        width: of the bins of input IoU, from 0.5 to 1.
        most: leave out boxes that enter with a higher IoU (the authors' own log: 0.975); None:
            keep all.
        clipped: cut refined boxes at the picture's border first.
        seed: of the bands.

    Returns:
        A curve per stage; a stage whose head has no regressor (two of the integral loss) has
        none.

    Raises:
        InputError: `width` does not divide 0.5, or `most` is not above 0.5.

    Source: Cai and Vasconcelos, Figures 2a and 9a. A box is compared with the counted object that
    it overlaps most before, also after. Per application: a later stage's curve starts from what
    enters that stage. Of class-specific regressors the one of the roi's likeliest class (by that
    head's logits, background left out) counts, as in inference.
    """
    reading = _reading(width, most, clipped, seed)
    curves = tuple(
        _curve(recording, f"stage {k + 1}", k, stage.head, reading)
        for k, stage in enumerate(first_stages(recording))
        if stage.head in stage.boxes_by_head
    )
    return Localisation(curves, "stage", most, clipped)


def compute_regressor_curves(
    recording: Recording,
    stage: int = 0,
    width: float = WIDTH,
    most: float | None = None,
    clipped: bool = False,
    seed: int = 0,
) -> Localisation:
    """Every head's regressor on the boxes of one stage: Figure 2a from a single detector.

    Args:
        recording: made with all heads.
        stage: whose input boxes, 0..S-1.
        width: as in `compute_localisation`.
        most: likewise.
        clipped: likewise.
        seed: likewise.

    Returns:
        A curve for each head that has a regressor. Heads that were trained behind others have
        seen better boxes than stage 1's, so this is not quite the paper's figure, which has
        detectors trained apart (`compute_detector_curves`).

    Raises:
        InputError: no such stage, or as `compute_localisation`.
    """
    reading = _reading(width, most, clipped, seed)
    _, heads = heads_at(recording, stage)
    curves = [_curve(recording, f"regressor {h + 1}", stage, h, reading) for h in heads]
    return Localisation(tuple(curves), "head", most, clipped)


def compute_detector_curves(
    recordings: Mapping[str, Recording],
    width: float = WIDTH,
    most: float | None = None,
    clipped: bool = False,
    seed: int = 0,
) -> Localisation:
    """The first stage of several detectors, each on its own proposals: Figure 2a.

    Args:
        recordings: name ("u=.5") -> recording on the same images; may be empty.
        width: as in `compute_localisation`.
        most: likewise.
        clipped: likewise.
        seed: likewise.

    Returns:
        A curve for each detector, under its name.

    Raises:
        InputError: as `compute_localisation`.
    """
    reading = _reading(width, most, clipped, seed)
    curves = [
        _curve(recording, name, 0, first_stages(recording)[0].head, reading)
        for name, recording in recordings.items()
        if first_stages(recording)
    ]
    return Localisation(tuple(curves), "detector", most, clipped)


def join_localisation(results: Mapping[str, Localisation]) -> Localisation:
    """Curves of several results in one, for Figure 9a: iterative BBox beside a cascade.

    Args:
        results: name ("iterative") -> curves, all computed alike; at least one.

    Returns:
        All curves as "iterative, stage 1" and so on; choose from them with `pick`.

    Raises:
        InputError: none are given, or bins, `most` or `clipped` differ.
    """
    ways = {
        (result.most, result.clipped, len(curve.output.count))
        for result in results.values()
        for curve in result.curves
    }
    if not results or len(ways) > 1:
        raise InputError(f"curves to join must be computed alike, got {sorted(ways, key=str)}")
    first = next(iter(results.values()))
    curves = [
        replace(curve, name=f"{name}, {curve.name}")
        for name, result in results.items()
        for curve in result.curves
    ]
    return Localisation(tuple(curves), "detector", first.most, first.clipped)


def _curve(
    recording: Recording, name: str, stage: int, head: int, reading: _Reading
) -> LocalisationCurve:
    """One regressor on one stage's boxes."""
    before, after, images = _pairs(recording, stage, head, reading)

    def by_iou(values: np.ndarray, edges: np.ndarray = reading.edges) -> BinnedMeans:
        return binned_means(before, values, images, len(recording.images), edges, reading.seed)

    gain = by_iou(after - before)
    output = by_iou(after)
    worse = after < before - ROUNDING
    some = len(before) > 0
    return LocalisationCurve(
        name=name,
        stage=stage,
        head=head,
        threshold=recording.stage_ious[head],
        output=output,
        gain=gain,
        worse=by_iou(worse),
        overall=by_iou(after - before, reading.edges[[0, -1]]),
        mean_input=float(before.mean()) if some else float("nan"),
        mean_output=float(after.mean()) if some else float("nan"),
        share_worse=float(worse.mean()) if some else float("nan"),
        crossing=turns_negative(gain, output.mean - gain.mean),
    )


def _pairs(
    recording: Recording, stage: int, head: int, reading: _Reading
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU before and after, and image number, of every roi in range; (R,) each, R may be 0."""
    befores, afters, images = [torch.zeros(0)], [torch.zeros(0)], [torch.zeros(0).long()]
    for i, record in enumerate(recording.images):
        inputs = stage_inputs(record, stage, START, reading.most)
        boxes = refined_boxes(record.stages[stage], head, inputs.rows)
        if reading.clipped:
            boxes = clip(boxes, *record.info.original_size)
        objects = record.truth.counted().boxes[inputs.objects]  # (P, 4)
        befores.append(inputs.ious)
        # A box that is not finite overlaps nothing.
        afters.append(iou_aligned(boxes, objects).nan_to_num(0.0))
        images.append(torch.full((len(inputs.rows),), i))
    return torch.cat(befores).numpy(), torch.cat(afters).numpy(), torch.cat(images).numpy()


def plot_localisation(result: Localisation, title: str = "Boxes before and after") -> Figure:
    """Figures 2a and 9a: mean IoU after by IoU before, with bands, the diagonal and counts.

    Above the grey diagonal boxes get better. Points are drawn at the mean input of their bin;
    hollow ones have fewer than ten boxes. A tick on the diagonal marks where boxes begin to get
    worse.
    """
    figure, (axes,) = new_plots([title], "IoU before", "mean IoU after", (520, 460))
    axes.plot([START, 1], [START, 1], color=QUIET, linewidth=points(1.5), zorder=1)
    colors = curve_colors(result.by, [(curve.stage, curve.head) for curve in result.curves])
    lowest = START
    for curve, color in zip(result.curves, colors, strict=True):
        draw_means(axes, curve.output, color, curve.name, curve.inputs)
        if curve.crossing is not None:
            place = [curve.crossing]
            axes.plot(place, place, "|", color=color, ms=points(18), mew=points(3), zorder=4)
        lowest = min([lowest, *curve.output.mean[curve.output.count > 0]])
    axes.set_xlim(START, 1)
    axes.set_ylim(lowest - 0.1 * (1 - lowest), 1)  # room for the counts
    draw_counts(axes, [curve.output for curve in result.curves], colors, result.by == "head")
    if result.curves:
        add_legend(axes, "upper left")
    return figure


def localisation_table(result: Localisation) -> Table:
    """A row per curve: boxes, mean IoU before and after, share made worse, and from where on."""
    rows = [
        (
            c.name,
            f"{c.threshold:g}",
            str(c.rois),
            number(c.mean_input, 3),
            number(c.mean_output, 3),
            percent(c.share_worse),
            "never" if c.crossing is None else number(c.crossing, 3),
        )
        for c in result.curves
    ]
    limit = "" if result.most is None else f" and at most {result.most:g}"
    notes = [
        f"Boxes that enter with an IoU of at least {START:g}{limit}, with the same object. Worse "
        "from: where the mean change turns negative, be it by chance."
    ]
    if result.clipped:
        notes.append("Refined boxes are cut at the picture's border.")
    return Table(
        "What regressors make of their boxes",
        ("", "u", "boxes", "IoU before", "IoU after", "made worse (%)", "worse from IoU"),
        tuple(rows),
        tuple(notes),
    )


def localisation_findings(result: Localisation) -> tuple[str, ...]:
    """Which regressors help, where boxes get worse, and which is best for which inputs."""
    found = [sentence for curve in result.curves for sentence in _of_one_curve(curve)]
    runs = clear_winners([c.name for c in result.curves], [c.output for c in result.curves])
    found += [
        f"Of boxes that enter with IoU {low:.2f} to {high:.2f}, {name} makes the best."
        for name, low, high in runs
    ]
    return tuple(found)


def _of_one_curve(curve: LocalisationCurve) -> list[str]:
    """Whether boxes get better on the whole, and from where on they get worse."""
    low, high = curve.overall.low[0], curve.overall.high[0]
    if np.isnan(low) or not curve.overall.known[0]:
        return []
    verb = "rises" if low > 0 else "falls" if high < 0 else "does not clearly change"
    found = [
        f"The mean IoU of the {curve.rois} boxes that enter {curve.name} with IoU {START:g} or "
        f"more {verb}: {curve.mean_input:.3f} before, {curve.mean_output:.3f} after ({low:+.3f} to "
        f"{high:+.3f} with 95 % confidence); {percent(curve.share_worse)} % of them get worse."
    ]
    if curve.crossing is None:
        return found
    beyond = curve.gain.known & (curve.inputs >= curve.crossing)
    if (curve.gain.high[beyond] < 0).any():  # more than chance
        found.append(
            f"From an input IoU of {curve.crossing:.2f} on, {curve.name} makes boxes worse on "
            "average."
        )
    return found
