"""Instrument 4: how a classifier fares with boxes of a given quality (paper, Figure 2b)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import cross_entropy

from cascadekit.quality.iou_bins import (
    BinnedMeans,
    bin_edges,
    binned_means,
    clear_winners,
    curve_colors,
    draw_counts,
    draw_means,
)
from cascadekit.quality.records import ImageRecord, Recording
from cascadekit.quality.stage_inputs import (
    StageInputs,
    check_most,
    first_stages,
    heads_at,
    stage_inputs,
)
from cascadekit.quality.tables import Table, number
from cascadekit.visualization.canvas import points
from cascadekit.visualization.plots import add_legend, new_plots

START, WIDTH = 0.5, 0.05


@dataclass(frozen=True)
class LossCurve:
    """One classifier on the boxes of one stage; B bins of input IoU.

    Attributes:
        name: for legends and tables.
        stage: whose boxes enter, 0..S-1.
        head: whose classifier sees them.
        threshold: u that the head was trained at: its labels are made with it here, too.
        loss: mean cross-entropy by IoU, nats.
        positives: boxes that carry their object's label; the others are background.
        mean_loss: of all boxes in all bins; nan without boxes.
        peak: number of the bin with the highest loss among those with enough boxes, if it is
            higher than the lowest one beyond doubt (their bands do not touch); else None.
    """

    name: str
    stage: int
    head: int
    threshold: float
    loss: BinnedMeans
    positives: int
    mean_loss: float
    peak: int | None

    @property
    def rois(self) -> int:
        """Boxes in all bins together; may be 0."""
        return int(self.loss.count.sum())


@dataclass(frozen=True)
class ClassifierLoss:
    """Curves to be seen together.

    Attributes:
        curves: may be empty.
        by: "stage" (each stage's own head), "head" (all heads on the same boxes) or "detector"
            (several recordings); colours go by it.
        most: inputs above this IoU were left out; None: none were.
    """

    curves: tuple[LossCurve, ...]
    by: str
    most: float | None


@dataclass(frozen=True)
class _Reading:
    """How boxes are read: the arguments of the functions below, checked."""

    edges: np.ndarray
    most: float | None
    seed: int


def _reading(start: float, width: float, most: float | None, seed: int) -> _Reading:
    edges = bin_edges(start, width)
    check_most(most, start)
    return _Reading(edges, most, seed)


def compute_classifier_loss(
    recording: Recording,
    start: float = START,
    width: float = WIDTH,
    most: float | None = None,
    seed: int = 0,
) -> ClassifierLoss:
    """Each stage's own classifier on the boxes that enter the stage.

    Args:
        recording: of all stages; no images, rois or objects is fine.
        start: lowest IoU. Below 0.5 boxes of objects that are ignored are among the background.
        width: of the bins from there to 1.
        most: leave out boxes that enter with a higher IoU; None: keep all.
        seed: of the bands, which are bootstraps over images.

    Returns:
        A curve per stage.

    Raises:
        InputError: the bins do not fit, or `most` is not above `start`.

    Source: Cai and Vasconcelos, Figure 2b. A box has its best object's class from the head's own u
    on and is background below, so curves of different u are of different tasks; each should be
    easy away from its u.
    """
    reading = _reading(start, width, most, seed)
    curves = [
        _curve(recording, f"stage {k + 1}", k, stage.head, reading)
        for k, stage in enumerate(first_stages(recording))
    ]
    return ClassifierLoss(tuple(curves), "stage", most)


def compute_head_losses(
    recording: Recording,
    stage: int = 0,
    start: float = START,
    width: float = WIDTH,
    most: float | None = None,
    seed: int = 0,
) -> ClassifierLoss:
    """Every head's classifier on the boxes of one stage, each with labels at its own u.

    Args:
        recording: made with all heads.
        stage: whose input boxes, 0..S-1.
        start: as in `compute_classifier_loss`.
        width: likewise.
        most: likewise.
        seed: likewise.

    Returns:
        A curve for each head.

    Raises:
        InputError: no such stage, or as `compute_classifier_loss`.
    """
    reading = _reading(start, width, most, seed)
    heads, _ = heads_at(recording, stage)
    curves = [_curve(recording, f"classifier {h + 1}", stage, h, reading) for h in heads]
    return ClassifierLoss(tuple(curves), "head", most)


def compute_detector_losses(
    recordings: Mapping[str, Recording],
    start: float = START,
    width: float = WIDTH,
    most: float | None = None,
    seed: int = 0,
) -> ClassifierLoss:
    """The first stage of several detectors, each on its own proposals: Figure 2b.

    Args:
        recordings: name ("u=.5") -> recording on the same images; may be empty.
        start: as in `compute_classifier_loss`.
        width: likewise.
        most: likewise.
        seed: likewise.

    Returns:
        A curve for each detector, under its name; none for one without images.

    Raises:
        InputError: as `compute_classifier_loss`.
    """
    reading = _reading(start, width, most, seed)
    curves = [
        _curve(recording, name, 0, first_stages(recording)[0].head, reading)
        for name, recording in recordings.items()
        if first_stages(recording)
    ]
    return ClassifierLoss(tuple(curves), "detector", most)


def _curve(recording: Recording, name: str, stage: int, head: int, reading: _Reading) -> LossCurve:
    """One classifier on one stage's boxes."""
    u = recording.stage_ious[head]
    ious, losses, images = [torch.zeros(0)], [torch.zeros(0)], [torch.zeros(0).long()]
    positives = 0
    for i, record in enumerate(recording.images):
        inputs = stage_inputs(record, stage, float(reading.edges[0]), reading.most)
        labels = labels_at(record, inputs, u, len(recording.classes))
        logits = record.stages[stage].logits_by_head[head][inputs.rows]  # (P, K+1)
        ious.append(inputs.ious)
        losses.append(cross_entropy(logits, labels, reduction="none"))
        images.append(torch.full((len(labels),), i))
        positives += int((labels < len(recording.classes)).sum())
    values = torch.cat(losses).numpy()
    loss = binned_means(
        torch.cat(ious).numpy(),
        values,
        torch.cat(images).numpy(),
        len(recording.images),
        reading.edges,
        reading.seed,
    )
    mean = float(values.mean()) if len(values) else float("nan")
    return LossCurve(name, stage, head, u, loss, positives, mean, _peak(loss))


def labels_at(record: ImageRecord, inputs: StageInputs, u: float, num_classes: int) -> Tensor:
    """Labels of a stage's rois as training would give them.

    Args:
        record: of one image.
        inputs: some of its rois with their objects.
        u: IoU from which a roi has its object's class.
        num_classes: K, the label of background.

    Returns:
        (P,) int64, 0..K.
    """
    labels = torch.full_like(inputs.objects, num_classes)
    positive = (inputs.ious >= u) & (inputs.objects >= 0)
    labels[positive] = record.truth.counted().labels[inputs.objects[positive]]
    return labels


def _peak(loss: BinnedMeans) -> int | None:
    """The bin with the highest loss, if that is no chance."""
    known = np.flatnonzero(loss.known)
    if len(known) < 2:
        return None
    highest = known[loss.mean[known].argmax()]
    lowest = known[loss.mean[known].argmin()]
    return int(highest) if loss.low[highest] > loss.high[lowest] else None


def plot_classifier_loss(result: ClassifierLoss, title: str = "Classification loss") -> Figure:
    """Figure 2b: mean cross-entropy by IoU, with bands and counts, each u as a dotted line."""
    figure, (axes,) = new_plots([title], "IoU of the box", "mean cross-entropy", (520, 460))
    colors = curve_colors(result.by, [(curve.stage, curve.head) for curve in result.curves])
    highest = 0.0
    for curve, color in zip(result.curves, colors, strict=True):
        draw_means(axes, curve.loss, color, f"{curve.name} (u = {curve.threshold:g})")
        axes.axvline(curve.threshold, color=color, linewidth=points(1.5), linestyle="dotted")
        some = curve.loss.count > 0
        tops = np.fmax(curve.loss.mean, curve.loss.high)[some]  # nan is left out
        highest = max([highest, *tops])
    start = result.curves[0].loss.edges[0] if result.curves else START
    axes.set_xlim(start - 0.005, 1)  # a line at the first edge is not cut
    axes.set_ylim(-0.19 * max(highest, 0.1), 1.1 * max(highest, 0.1))  # room for the counts
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= axes.get_ylim()[1]])
    draw_counts(axes, [curve.loss for curve in result.curves], colors, result.by == "head")
    if result.curves:
        add_legend(axes)
    return figure


def classifier_loss_table(result: ClassifierLoss) -> Table:
    """A row per curve: boxes, positives among them, and the mean loss in each bin of IoU."""
    bins = result.curves[0].loss.edges if result.curves else np.zeros(0)
    header = [f"{a:.2f}-{b:.2f}" for a, b in pairwise(bins)]
    rows = [
        (
            c.name,
            f"{c.threshold:g}",
            str(c.rois),
            str(c.positives),
            number(c.mean_loss, 3),
            *(number(value, 3) for value in c.loss.mean),
        )
        for c in result.curves
    ]
    return Table(
        "Mean cross-entropy by IoU of the box",
        ("", "u", "boxes", "positives", "all", *header),
        tuple(rows),
        ("A box is labelled with its best object's class from the head's own u on.",),
    )


def classifier_loss_findings(result: ClassifierLoss) -> tuple[str, ...]:
    """Where each classifier has the highest loss, and which has the lowest for which boxes."""
    found = []
    for curve in result.curves:
        if curve.peak is None:
            continue
        loss, p = curve.loss, curve.peak
        lowest = np.flatnonzero(loss.known)[loss.mean[loss.known].argmin()]
        found.append(
            f"The classification loss of {curve.name}, trained at u = {curve.threshold:g}, is "
            f"highest ({loss.mean[p]:.2f}) for boxes of IoU {_range(loss, p)} and lowest "
            f"({loss.mean[lowest]:.2f}) for {_range(loss, lowest)}."
        )
    runs = clear_winners([c.name for c in result.curves], [c.loss for c in result.curves], False)
    found += [
        f"For boxes of IoU {low:.2f} to {high:.2f} the classification loss of {name} is the "
        "lowest, each by its own labels."
        for name, low, high in runs
    ]
    return tuple(found)


def _range(bins: BinnedMeans, b: int) -> str:
    return f"{bins.edges[b]:.2f} to {bins.edges[b + 1]:.2f}"
