"""Sections of the diagnosis on what stages train on, and on what they could be trained for."""

from __future__ import annotations

from cascadekit.quality.cascade_forecast import (
    cascade_forecast_findings,
    cascade_forecast_table,
    compute_cascade_forecast,
)
from cascadekit.quality.delta_statistics import (
    compute_delta_statistics,
    config_lines,
    delta_statistics_findings,
    delta_statistics_table,
    plot_delta_statistics,
)
from cascadekit.quality.iou_histograms import (
    compute_iou_histograms,
    iou_histograms_findings,
    iou_histograms_table,
    plot_iou_histograms,
)
from cascadekit.quality.measurements import Measurements
from cascadekit.quality.proposal_quality import (
    compute_proposal_quality,
    plot_proposal_quality,
    proposal_quality_findings,
    proposal_quality_table,
)
from cascadekit.quality.report import Picture, Section


def histograms_section(measured: Measurements) -> Section:
    """Instrument 1."""
    name, title = "iou_histograms", "What each stage trains on"
    intro = (
        "IoU of the training samples with their objects (paper, Figure 4). The share that reaches "
        "the stage's u should not collapse from stage to stage."
    )
    if measured.samples is None:
        return Section(name, title, intro, skipped=measured.no_samples)
    result = compute_iou_histograms(measured.samples)
    caption = "Training samples by IoU; those that reach the stage's u in full colour."
    return Section(
        name,
        title,
        intro,
        (Picture(plot_iou_histograms(result), caption),),
        (iou_histograms_table(result),),
        iou_histograms_findings(result),
        result,
    )


def deltas_section(measured: Measurements) -> Section:
    """Instrument 2."""
    name, title = "delta_statistics", "What each regressor has to learn"
    intro = (
        "Spread of the regression targets (paper, Figure 5). Constants that do not fit the spread "
        "make a regressor learn too slowly or too fast."
    )
    if measured.samples is None:
        return Section(name, title, intro, skipped=measured.no_samples)
    result = compute_delta_statistics(measured.samples)
    caption = "Targets of each stage; red: below the stage's u; dashed: two stds in use."
    return Section(
        name,
        title,
        intro,
        (Picture(plot_delta_statistics(result), caption),),
        (delta_statistics_table(result),),
        delta_statistics_findings(result),
        result,
        "# for model.roi_head: the measured stds\n" + "\n".join(config_lines(result)),
    )


def quality_section(measured: Measurements) -> Section:
    """Instrument 9."""
    name, title = "proposal_quality", "Which thresholds the proposals support"
    intro = (
        "Share of the boxes entering a stage that would be positive at any u, and the u of each "
        "stage that keeps the share level."
    )
    result = compute_proposal_quality(measured.recording, measured.samples)
    caption = "Share of positives by u, the suggested u marked; dashed stages are extrapolated."
    return Section(
        name,
        title,
        intro,
        (Picture(plot_proposal_quality(result), caption),),
        (proposal_quality_table(result),),
        proposal_quality_findings(result),
        result,
    )


def forecast_section(measured: Measurements) -> Section:
    """Part of instrument 9: would a cascade help?"""
    name, title = "cascade_forecast", "Would a cascade help?"
    intro = (
        "A forecast from a detector of one stage: are found objects boxed loosely, would better "
        "starting boxes mend that, and are the labels exact enough to reward it?"
    )
    if len(measured.recording.stage_ious) > 1:
        reason = "this detector has several heads already; the first section says what they do"
        return Section(name, title, intro, skipped=reason)
    if not measured.errors.num_objects:
        return Section(name, title, intro, skipped="there is no object to go by")
    result = compute_cascade_forecast(
        measured.recording, trained_on=measured.trained_on, with_truth=measured.with_truth
    )
    return Section(
        name,
        title,
        intro,
        tables=(cascade_forecast_table(result),),
        findings=cascade_forecast_findings(result),
        numbers=result,
        snippet="To train the cascade that fits these proposals: cascadekit suggest --help",
    )
