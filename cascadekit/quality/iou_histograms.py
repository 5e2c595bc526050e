"""Instrument 1: IoU of the samples that each stage trains on (paper, Figure 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from cascadekit.errors import InputError
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.iou_bins import place_in_bins
from cascadekit.quality.records import SampleRecording, StageSamples
from cascadekit.quality.tables import Table, number
from cascadekit.visualization.canvas import INK, QUIET, points
from cascadekit.visualization.plots import new_plots, stage_color

BIN_WIDTH = 0.025  # the paper prints none; its bars are about this wide
FIRST_EDGE = 0.5
THRESHOLDS = (0.5, 0.6, 0.7)
# Paper, Figure 4, the red percentages: share of samples from IoU .5, .6, .7 on, stages 1 to 3.
PAPER_IOUS = (0.5, 0.6, 0.7)
PAPER_SHARES = ((0.167, 0.080, 0.029), (0.256, 0.217, 0.173), (0.280, 0.251, 0.217))

# From 50 positives on the binomial error of a share is 14 % of it, and about twice that for rois
# that come in clusters of one object: enough to tell a half from a whole.
FEW = 50
# The paper's shares at u go 16.7, 21.7, 21.7 % from stage to stage (never below stage 1's), but
# 16.7, 8.0, 2.9 % when u rises at stage 1. Less than half is called a collapse; level is what
# loses at most a quarter, about what two draws of FEW samples can differ by.
COLLAPSE, LEVEL = 0.5, 0.75


@dataclass(frozen=True)
class StageHistogram:
    """IoU of one stage's training samples with their objects; copies of ground truth left out.

    Attributes:
        stage: 0..S-1.
        threshold: u of the stage.
        counts: (bins,) int64, samples per IoU bin; those below the first edge are in none.
        shares: of all samples, at or above each of the result's thresholds; nan without samples.
        share_u: likewise, at or above the stage's own u.
        first_share_u: share of the first stage's samples at or above this stage's u: what it would
            have if the boxes stayed as they were.
        num_samples: all samples, whatever their IoU; may be 0.
        num_at_u: those with an IoU of u or more.
        num_copies: copies of ground truth beside them.
        samples_per_image: nan without images.
        positives_per_image: samples that the stage labels as an object, likewise without copies.
    """

    stage: int
    threshold: float
    counts: np.ndarray
    shares: tuple[float, ...]
    share_u: float
    first_share_u: float
    num_samples: int
    num_at_u: int
    num_copies: int
    samples_per_image: float
    positives_per_image: float


@dataclass(frozen=True)
class IoUHistograms:
    """Histograms of all stages.

    Attributes:
        edges: (bins + 1,) float64 in [0, 1], ascending; each bin has its lower edge.
        thresholds: the IoUs that shares are given for.
        stages: S entries; S may be 0.
        num_images: how many images the samples come from.
    """

    edges: np.ndarray
    thresholds: tuple[float, ...]
    stages: tuple[StageHistogram, ...]
    num_images: int


def compute_iou_histograms(
    recording: SampleRecording,
    bins: Sequence[float] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> IoUHistograms:
    """Count the training samples of every stage by their IoU.

    Args:
        recording: what the stages saw in training; no images, stages or samples is fine.
        bins: edges, ascending, in [0, 1]. None: bins of 0.025 from 0.5 to 1, or from the lowest u
            where one is below 0.5.
        thresholds: IoUs to give the shares of samples for.

    Returns:
        Counts and shares of every stage.

    Raises:
        InputError: fewer than two edges, edges not ascending, or an edge or threshold outside
            [0, 1].

    Source: Cai and Vasconcelos, Figure 4. Its percentages fit the samples that a head learns from
    rather than all proposals: 16.7 % at stage 1 is below the sampler's cap of 25 %.
    """
    edges = default_edges(recording) if bins is None else np.asarray(bins, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or (np.diff(edges) <= 0).any():
        raise InputError(f"bins must be two or more ascending edges, got {bins}")
    outside = [float(t) for t in (*edges, *thresholds) if not 0 <= t <= 1]
    if outside:
        raise InputError(f"bins and thresholds are IoUs in [0, 1], got {outside[0]:g}")
    marks = tuple(float(t) for t in thresholds)
    images = recording.num_images
    first = _own_ious(recording.stages[0]) if recording.stages else np.zeros(0, np.float32)
    stages = tuple(_histogram(s, edges, marks, first, images) for s in recording.stages)
    return IoUHistograms(edges, marks, stages, images)


def default_edges(recording: SampleRecording) -> np.ndarray:
    """Bins of 0.025 up to 1, from 0.5 or from the lowest u where that is below."""
    lowest = min((s.threshold for s in recording.stages), default=FIRST_EDGE)
    bins = round(1 / BIN_WIDTH)
    # A u that was float32 once lies a little below its own edge.
    first = math.floor(min(lowest, FIRST_EDGE) * bins + 1e-6)
    return np.arange(first, bins + 1) / bins


def _own_ious(samples: StageSamples) -> np.ndarray:
    """IoUs of all samples but copies of ground truth."""
    return samples.ious[~samples.from_gt].numpy()


def _histogram(
    samples: StageSamples,
    edges: np.ndarray,
    thresholds: tuple[float, ...],
    first: np.ndarray,
    images: int,
) -> StageHistogram:
    """Count one stage's samples; `first` are the IoUs of the first stage's."""
    ious = _own_ious(samples)
    positives = int((samples.positive & ~samples.from_gt).sum())
    place = place_in_bins(ious, edges)
    at_u = _reaching(ious, samples.threshold)
    return StageHistogram(
        stage=samples.stage,
        threshold=samples.threshold,
        counts=np.bincount(place[place >= 0], minlength=len(edges) - 1),
        shares=tuple(_ratio(_reaching(ious, t), len(ious)) for t in thresholds),
        share_u=_ratio(at_u, len(ious)),
        first_share_u=_ratio(_reaching(first, samples.threshold), len(first)),
        num_samples=len(ious),
        num_at_u=at_u,
        num_copies=int(samples.from_gt.sum()),
        samples_per_image=_ratio(len(ious), images),
        positives_per_image=_ratio(positives, images),
    )


def _reaching(ious: np.ndarray, threshold: float) -> int:
    return int((ious >= np.float32(threshold)).sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def plot_iou_histograms(result: IoUHistograms) -> Figure:
    """Figure 4 for any detector: a panel per stage, shares written in it, u marked.

    Bars whose middle reaches u have the stage's colour, the others a pale one. All panels have one
    scale, so that a loss of samples shows.
    """
    titles = [f"Stage {s.stage + 1}, u = {s.threshold:g}" for s in result.stages]
    figure, axes = new_plots(titles or ["no stages"], "IoU", "training samples", columns=4)
    highest = max((s.counts.max() for s in result.stages), default=0)
    for axis, stage in zip(axes, result.stages, strict=False):
        _draw(axis, stage, result)
        axis.set_xlim(result.edges[0], result.edges[-1])
        axis.set_ylim(0, max(1.0, 1.3 * highest))  # room for the shares
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    return figure


def _draw(axis: Axes, stage: StageHistogram, result: IoUHistograms) -> None:
    """Bars, shares and u of one stage."""
    left, width = result.edges[:-1], np.diff(result.edges)
    color = stage_color(stage.stage)
    bars = axis.bar(left, stage.counts, width, align="edge", color=color, linewidth=0)
    for bar, middle in zip(bars, left + width / 2, strict=True):
        bar.set_alpha(1.0 if middle >= stage.threshold else 0.35)
    axis.axvline(stage.threshold, color=INK, linewidth=points(2))
    shares = dict(zip(result.thresholds, stage.shares, strict=True))
    for iou in shares:
        if iou != stage.threshold:
            axis.axvline(iou, color=QUIET, linewidth=points(1), linestyle=(0, (4, 3)))
    crowded = any(0 < abs(iou - stage.threshold) < 0.08 for iou in shares)
    shares[stage.threshold] = stage.share_u
    for iou, share in shares.items():
        own = iou == stage.threshold
        _write_share(axis, iou, share, own, 0.91 if own and crowded else 0.98)
    if stage.num_samples == 0:
        axis.text(0.5, 0.5, "no samples", transform=axis.transAxes, ha="center", color=QUIET)


def _write_share(axis: Axes, iou: float, share: float, own: bool, height: float) -> None:
    """The share of samples from an IoU on, right of its line; nothing for nan."""
    if math.isnan(share):
        return
    axis.annotate(
        f"{percent(share)} %",
        (iou, height),
        (points(4), 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=points(12),
        weight="bold" if own else "normal",
        color=INK,
        va="top",
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5},  # over the lines
    )


def _short(value: float) -> str:
    """A count on an axis: 20k instead of 20000."""
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def iou_histograms_table(result: IoUHistograms, paper: bool = False) -> Table:
    """Shares of samples by IoU, a row per stage.

    Args:
        result: of `compute_iou_histograms`.
        paper: append the paper's percentages, in rows that say so.

    Returns:
        Shares in percent, and samples and positives per image.
    """
    header = ["", "u", *(f">= {t:g} (%)" for t in result.thresholds), ">= u (%)"]
    rows = [
        [
            f"stage {s.stage + 1}",
            f"{s.threshold:g}",
            *map(percent, (*s.shares, s.share_u)),
            number(s.samples_per_image),
            number(s.positives_per_image),
        ]
        for s in result.stages
    ]
    copies = sum(s.num_copies for s in result.stages)
    notes = [
        f"Training samples of {result.num_images} images; copies of the ground truth ({copies} in "
        "all stages) are left out."
    ]
    if paper:
        rows += [_paper_row(k, result.thresholds) for k in range(len(PAPER_SHARES))]
        notes.append("Paper: Figure 4, FPN+ with ResNet-50 on COCO.")
    return Table(
        "Share of training samples by IoU",
        (*header, "samples / image", "positives / image"),
        tuple(map(tuple, rows)),
        tuple(notes),
    )


def _paper_row(stage: int, thresholds: Sequence[float]) -> list[str]:
    """What the paper prints for a stage; "-" where it prints nothing."""
    known = dict(zip(PAPER_IOUS, PAPER_SHARES[stage], strict=True))
    u = PAPER_IOUS[stage]  # the paper's three stages are trained at the same three IoUs
    cells = [percent(known.get(t, math.nan)) for t in (*thresholds, u)]
    return [f"paper, stage {stage + 1}", f"{u:g}", *cells, "-", "-"]


def iou_histograms_findings(result: IoUHistograms) -> tuple[str, ...]:
    """What the shares say about the choice of u: collapse at stage 1, level or not later."""
    found: list[str] = []
    for stage in result.stages:
        found += _of_one_stage(stage, result.num_images)
    if result.stages:
        found += _if_u_rose_alone(result)
    for stage in result.stages[1:]:
        found += _beside_the_first(result.stages[0], stage)
    return tuple(found)


def _of_one_stage(stage: StageHistogram, images: int) -> list[str]:
    """A stage that has hardly anything to learn from."""
    name, u = f"Stage {stage.stage + 1}", f"u = {stage.threshold:g}"
    if images and not stage.num_samples:
        return [f"{name} has no samples but ground truth in {images} images."]
    if stage.positives_per_image == 0:
        return [
            f"{name} has no positives but ground truth: none of its {stage.num_samples} samples "
            f"reaches {u}."
        ]
    if stage.positives_per_image < 1:
        return [
            f"{name} has only {stage.positives_per_image:.2f} positives per image beside ground "
            f"truth at {u}."
        ]
    return []


def _if_u_rose_alone(result: IoUHistograms) -> list[str]:
    """What a higher u would leave of the first stage's positives."""
    first = result.stages[0]
    shares = dict(zip(result.thresholds, first.shares, strict=True))
    highest = max(result.thresholds, default=0.0)
    if first.num_at_u < FEW or highest <= first.threshold:
        return []
    left = shares[highest] / first.share_u
    verdict = "collapse" if left < COLLAPSE else "hold out" if left >= LEVEL else "fall"
    return [
        f"At stage 1 positives {verdict} with rising u: {percent(first.share_u)} % of the samples "
        f"reach {first.threshold:g}, {percent(shares[highest])} % reach {highest:g}."
    ]


def _beside_the_first(first: StageHistogram, stage: StageHistogram) -> list[str]:
    """Whether a later stage has as many positives at its u as the first at its own."""
    if first.num_at_u < FEW or stage.num_samples < FEW:
        return []
    ratio = stage.share_u / first.share_u
    verdict = "collapse" if ratio < COLLAPSE else "fall" if ratio < LEVEL else "stay level"
    if ratio > 1 / LEVEL:
        verdict = "rise"
    name = f"stage {stage.stage + 1}"
    return [
        f"At {name} positives {verdict}: {percent(stage.share_u)} % of its samples reach "
        f"u = {stage.threshold:g}, beside {percent(first.share_u)} % at stage 1's u = "
        f"{first.threshold:g}; of stage 1's samples {percent(stage.first_share_u)} % reach "
        f"{stage.threshold:g}."
    ]
