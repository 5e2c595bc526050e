"""Instrument 9: the IoU thresholds that proposals support, and what stages would have to train on.

Positives vanish as u rises over the same boxes, and a cascade is made so that they do not: each
stage gets boxes good enough for its u. This instrument looks at boxes that enter (or would enter)
each stage, finds the u at which a wanted share of them is positive, and measures the deltas there.
`stage_arrivals.py` says which boxes are measured and which extrapolated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.errors import InputError
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.records import Recording, SampleRecording
from cascadekit.quality.share_curves import (
    GRID,
    ShareCurve,
    choose_thresholds,
    highest,
    share_curve,
    shares_above,
)
from cascadekit.quality.stage_arrivals import (
    EXTRAPOLATED,
    MEASURED,
    Arrivals,
    Sampling,
    stages_of,
)
from cascadekit.quality.tables import Table, number
from cascadekit.visualization.canvas import INK, QUIET, points
from cascadekit.visualization.plots import add_legend, new_plots, stage_color

TARGET = 0.2  # the paper's stages have 17, 22 and 22 % positives (Figure 4)
# In the paper u = .6 trains as well on proposals as .5 (AP .354, .349) with 8.0 % positives, and
# u = .7 much worse (.319) with 2.9 %. In between, geometrically, is 4.8 %.
LEAST = 0.05
# A std of 100 rois is known to 7 %, about 15 % where they come in clusters of one object.
FEW = 100

Four = tuple[float, float, float, float]


@dataclass(frozen=True)
class StageChoice:
    """What one stage of the suggested cascade would be trained at, and on.

    Attributes:
        stage: 0..T-1.
        u: IoU threshold.
        share: of its rois that are positive, in [0, 1]; nan without rois.
        share_low: see `ShareCurve.low`.
        share_high: see `ShareCurve.high`.
        positives_per_image: expected, beside copies of ground truth; nan without images.
        count: positives seen, that `means` and `stds` are of; may be 0.
        means: of the positives' deltas (dx, dy, dw, dh); nan without positives.
        stds: of the same.
        basis: "measured" or "extrapolated".
        enough: there are so many positives that the stds can be trusted.
    """

    stage: int
    u: float
    share: float
    share_low: float
    share_high: float
    positives_per_image: float
    count: int
    means: Four
    stds: Four
    basis: str
    enough: bool


@dataclass(frozen=True)
class ProposalQuality:
    """The proposal-quality report.

    Attributes:
        grid: (U,) float64, the u of the curves.
        curves: T of them, one per stage; empty without images.
        choices: T choices of u, not falling.
        supported: the highest u that stage 1 could be trained at; nan if there is none, or without
            rois.
        supported_later: likewise for the boxes that enter the last stage.
        target: share of positives that the choices were made for.
        left: what the last regressor leaves of the errors of its boxes (see `Refinement`).
        left_basis: "measured" or "extrapolated".
        num_images: may be 0.
    """

    grid: np.ndarray
    curves: tuple[ShareCurve, ...]
    choices: tuple[StageChoice, ...]
    supported: float
    supported_later: float
    target: float
    left: float
    left_basis: str
    num_images: int


def compute_proposal_quality(
    recording: Recording | None = None,
    samples: SampleRecording | None = None,
    *,
    stages: int = 3,
    target: float = TARGET,
    sampling: Sampling | None = None,
) -> ProposalQuality:
    """Find which u each stage of a cascade could be trained at.

    Args:
        recording: stages of a detector as in inference, best on its training images; or proposals
            alone (`proposals_alone`).
        samples: what the detector's stages saw in training; preferred where both are given.
        stages: T, of the cascade.
        target: wanted share of positives.
        sampling: how stage 1 draws from a recording; None: as the samples were drawn, or else 512
            rois, a quarter positive, u = .5.

    Returns:
        The report; without images, stages or rois it has nan in place of shares.

    Raises:
        InputError: neither recording nor samples, no stage, or a target outside ]0, 1[.
    """
    if stages < 1 or not 0 < target < 1:
        raise InputError(
            f"expected at least one stage and a target in ]0, 1[, got {stages} and {target:g}"
        )
    drawn_by = sampling or (Sampling() if samples is None else Sampling.of(samples))
    arrivals, left, spread = stages_of(recording, samples, drawn_by, stages)
    curves = tuple(share_curve(a, s) for a, s in zip(arrivals, spread, strict=True))
    first = _first_u(samples, drawn_by)
    thresholds = choose_thresholds([c.shares for c in curves], target, first)
    choices = tuple(_choice(a, c, u) for a, c, u in zip(arrivals, curves, thresholds, strict=True))
    return ProposalQuality(
        grid=GRID,
        curves=curves,
        choices=choices,
        supported=highest(curves[0].shares, LEAST) if curves else math.nan,
        supported_later=highest(curves[-1].shares, LEAST) if curves else math.nan,
        target=target,
        left=left.left,
        left_basis=left.basis,
        num_images=arrivals[0].num_images if arrivals else 0,
    )


def _first_u(samples: SampleRecording | None, sampling: Sampling) -> float:
    """The u that stage 1's rois were drawn at: another would be another sample."""
    if samples is not None and samples.stages:
        return samples.stages[0].threshold
    return sampling.iou


def _choice(arrivals: Arrivals, curve: ShareCurve, u: float) -> StageChoice:
    kept = (np.round(arrivals.ious, 6) >= u) & np.isfinite(arrivals.deltas).all(1)
    kept &= arrivals.weights > 0
    means, stds = _statistics(arrivals.deltas[kept], arrivals.weights[kept])
    share = float(shares_above(arrivals, [u])[0])
    return StageChoice(
        stage=arrivals.stage,
        u=u,
        share=share,
        share_low=float(np.interp(u, GRID, curve.low)),
        share_high=float(np.interp(u, GRID, curve.high)),
        positives_per_image=share * arrivals.per_image,
        count=int(kept.sum()),
        means=means,
        stds=stds,
        basis=arrivals.basis,
        enough=bool(kept.sum() >= FEW and min(stds) > 0),
    )


def _statistics(deltas: np.ndarray, weights: np.ndarray) -> tuple[Four, Four]:
    """Weighted mean and std of (P, 4) deltas; nan without any."""
    if not len(deltas):
        return (math.nan,) * 4, (math.nan,) * 4
    mean = np.average(deltas, axis=0, weights=weights)
    std = np.sqrt(np.average((deltas - mean) ** 2, axis=0, weights=weights))
    return tuple(map(float, mean)), tuple(map(float, std))


def plot_proposal_quality(result: ProposalQuality) -> Figure:
    """Share of positives over u for each stage with the chosen u, and expected positives.

    Lines of extrapolated stages are dashed; bands are those of `ShareCurve`.
    """
    titles = ["Share of positives, by u", "Positives per image, at the suggested u"]
    figure, (shares, positives) = new_plots(titles, size=(520, 360), columns=2)
    for curve, choice in zip(result.curves, result.choices, strict=True):
        _draw_curve(shares, result.grid, curve, choice)
    if result.curves:
        shares.axhline(100 * result.target, color=QUIET, linewidth=points(1), linestyle=":")
        shares.lines[-1].set_label(f"wanted: {100 * result.target:g} %")
        add_legend(shares, "upper right")
    else:
        shares.text(0.5, 0.5, "no rois", transform=shares.transAxes, ha="center", color=QUIET)
    shares.set_xlim(result.grid[0], result.grid[-1])
    shares.set_ylim(0, max([1.0, *(1.25 * _top(c.shares) for c in result.curves)]))
    shares.set_xlabel("u (IoU from which on a roi is positive)", fontsize=points(13), color=INK)
    shares.set_ylabel("rois that are positive (%)", fontsize=points(13), color=INK)
    _draw_positives(positives, result)
    return figure


def _top(shares: np.ndarray) -> float:
    return 0.0 if np.isnan(shares).all() else 100 * float(np.nanmax(shares))


def _draw_curve(axis: Axes, grid: np.ndarray, curve: ShareCurve, choice: StageChoice) -> None:
    color, guessed = stage_color(curve.stage), curve.basis == EXTRAPOLATED
    label = f"stage {curve.stage + 1}" + (", extrapolated" if guessed else "")
    style = (0, (5, 3)) if guessed else "solid"
    axis.plot(grid, 100 * curve.shares, color=color, linewidth=points(3), linestyle=style)
    axis.lines[-1].set_label(label)
    if not np.isnan(curve.low).all():
        axis.fill_between(grid, 100 * curve.low, 100 * curve.high, color=color, alpha=0.2, lw=0)
    if not math.isnan(choice.share):
        axis.plot([choice.u], [100 * choice.share], "o", color=color, markersize=points(9))
        axis.lines[-1].set_markeredgecolor(INK)
        axis.annotate(
            f"{choice.u:.2f}",
            (choice.u, 100 * choice.share),
            (points(7), points(5)),
            textcoords="offset points",
            fontsize=points(13),
            weight="bold",
            color=INK,
        )


def _draw_positives(axis: Axes, result: ProposalQuality) -> None:
    known = [c for c in result.choices if not math.isnan(c.positives_per_image)]
    for choice in known:
        bars = axis.bar(
            choice.stage, choice.positives_per_image, 0.6, color=stage_color(choice.stage)
        )
        if choice.basis == EXTRAPOLATED:
            bars[0].set(alpha=0.5, hatch="//", edgecolor=INK, linewidth=0)
        axis.annotate(
            f"{choice.positives_per_image:.1f}",
            (choice.stage, choice.positives_per_image),
            (0, points(3)),
            textcoords="offset points",
            ha="center",
            fontsize=points(13),
            color=INK,
        )
    axis.set_xticks([c.stage for c in known])
    axis.set_xticklabels([f"stage {c.stage + 1}\nu = {c.u:.2f}" for c in known])
    axis.set_xlim(-0.6, max([len(result.choices), 1]) - 0.4)
    axis.set_ylim(0, max([1.0, *(1.15 * c.positives_per_image for c in known)]))


def proposal_quality_table(result: ProposalQuality) -> Table:
    """The suggested stages: u, share of positives, positives per image and stds."""
    rows = tuple(
        (
            f"stage {c.stage + 1}",
            f"{c.u:.2f}",
            percent(c.share),
            "-" if math.isnan(c.share_low) else f"{percent(c.share_low)} - {percent(c.share_high)}",
            number(c.positives_per_image),
            ", ".join(number(s, 3) for s in c.stds),
            str(c.count),
            c.basis,
        )
        for c in result.choices
    )
    notes = [f"Stage {c.stage + 1}: {c.source}." for c in result.curves]
    notes.append("Copies of the ground truth, which join in training, are left out.")
    return Table(
        "Suggested stages",
        (*("", "u", "positives (%)", "from - to", "positives / image"), *("stds", "of", "basis")),
        rows,
        tuple(notes),
    )


def proposal_quality_findings(result: ProposalQuality) -> tuple[str, ...]:
    """What thresholds the boxes support, and what the suggested stages would train on."""
    if not result.curves or math.isnan(result.choices[0].share):
        return ()
    first, last = result.choices[0], result.choices[-1]
    found = [_supported(result)]
    if len(result.choices) > 1:
        shares = ", ".join(f"{percent(c.share)} %" for c in result.choices)
        found.append(
            f"Stages at u = {' / '.join(f'{c.u:.2f}' for c in result.choices)} would have {shares} "
            f"positives, {first.positives_per_image:.1f} per image at the first and "
            f"{last.positives_per_image:.1f} at the last."
        )
    found += _warnings(result)
    return tuple(found)


def _supported(result: ProposalQuality) -> str:
    first, least = result.curves[0], percent(LEAST)
    at = {u: percent(float(np.interp(u, result.grid, first.shares))) for u in (0.5, 0.6, 0.7)}
    shares = f"{at[0.5]} % of the rois reach .5, {at[0.6]} % reach .6, {at[0.7]} % reach .7"
    if math.isnan(result.supported):
        return f"The proposals support no threshold from .4 on: fewer than {least} % reach it."
    return (
        f"The proposals support thresholds up to {result.supported:.2f}, where {least} % of the "
        f"rois are still positive ({shares})."
    )


def _warnings(result: ProposalQuality) -> list[str]:
    """What of the suggestion is not measured, or rests on little."""
    found: list[str] = []
    guessed = [str(c.stage + 1) for c in result.choices if c.basis == EXTRAPOLATED]
    if guessed:
        how = "measured here" if result.left_basis == MEASURED else "assumed as in the paper"
        found.append(
            f"Stage{'s' * (len(guessed) > 1)} {' and '.join(guessed)}: extrapolated, since not all "
            f"regressors before have been trained; the last one known leaves {result.left:.2f} of "
            f"a box's error ({how})."
        )
    for c in result.choices:
        if not c.enough:
            found.append(
                f"Stage {c.stage + 1} has {c.count} positives at u = {c.u:.2f}: too few to measure "
                f"stds on ({FEW} are asked for)."
            )
    return found
