"""Each instrument's section of the diagnosis: its numbers, pictures, tables and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cascadekit.evaluation.stage_table import row_label
from cascadekit.quality.ap_curves import (
    ap_curves_findings,
    ap_curves_table,
    choices_of,
    compute_ap_curves,
    plot_ap_curves,
)
from cascadekit.quality.cascade_forecast import (
    cascade_forecast_findings,
    cascade_forecast_table,
    compute_cascade_forecast,
)
from cascadekit.quality.classifier_loss import (
    classifier_loss_findings,
    classifier_loss_table,
    compute_classifier_loss,
    plot_classifier_loss,
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
from cascadekit.quality.localisation import (
    compute_localisation,
    localisation_findings,
    localisation_table,
    plot_localisation,
)
from cascadekit.quality.proposal_quality import (
    compute_proposal_quality,
    plot_proposal_quality,
    proposal_quality_findings,
    proposal_quality_table,
)
from cascadekit.quality.proposal_recall import (
    compute_proposal_recall,
    plot_proposal_recall,
    proposal_recall_findings,
    proposal_recall_table,
)
from cascadekit.quality.records import Recording, SampleRecording
from cascadekit.quality.report import Picture, Section
from cascadekit.quality.stage_errors import (
    StageErrors,
    object_flow_table,
    plot_object_flow,
    plot_stage_errors,
    stage_errors_findings,
    stage_errors_gains_table,
    stage_errors_table,
)
from cascadekit.quality.stage_pictures import choose_pictures, draw_picture, picture_caption
from cascadekit.structures.samples import ImageInfo


@dataclass(frozen=True)
class Measurements:
    """What all sections read.

    Attributes:
        recording: stages as in inference, all heads.
        errors: the error anatomy of `recording`, which two sections show.
        with_truth: the same from proposals with the ground truth added; None: not recorded.
        trained_on: as in inference, on training images, for the forecast; None: not recorded.
        samples: what the stages saw in training; None: not recorded.
        no_samples: why not.
        read_picture: gives the (H, W, 3) uint8 RGB picture of an image; None: there are none.
    """

    recording: Recording
    errors: StageErrors
    with_truth: Recording | None
    trained_on: Recording | None
    samples: SampleRecording | None
    no_samples: str
    read_picture: Callable[[ImageInfo], np.ndarray] | None


def errors_section(measured: Measurements) -> Section:
    """Instrument 10."""
    result = measured.errors
    seen = f"with a score of {result.score_threshold:g} or more"
    return Section(
        "stage_errors",
        "What goes wrong, and what each stage mends",
        f"Every detection {seen} is correct or wrong in one of five ways, and every object is "
        "found or missed. Then each object is followed from the proposals through the stages.",
        (
            Picture(
                plot_stage_errors(result),
                "Above: detections by kind, missed objects below the line. Below: AP points "
                "gained if one kind of error were mended, computed by evaluating again.",
            ),
            Picture(
                plot_object_flow(result.flow),
                "Each band is a number of objects. Green: tight, orange: loose, grey: missed. "
                "The first column shows what the proposals reach, whatever their class.",
            ),
        ),
        (
            stage_errors_table(result),
            object_flow_table(result),
            stage_errors_gains_table(result),
        ),
        stage_errors_findings(result),
        result,
    )


def pictures_section(measured: Measurements) -> Section:
    """Images in which a stage mended or broke most."""
    name, title = "pictures", "Pictures: mended and broken"
    intro = (
        "The pictures in which one stage mended most objects, then those in which it broke one. "
        "Followed are the boxes that became the detection; white dashes are the ground truth."
    )
    if measured.read_picture is None:
        return Section(name, title, intro, skipped="nobody said where the pictures are")
    if len(measured.errors.choices) < 2:
        return Section(name, title, intro, skipped="there is one stage, which nothing precedes")
    flow, recording = measured.errors.flow, measured.recording
    chosen = choose_pictures(flow)
    if not chosen:
        return Section(name, title, intro, skipped="no stage changed what becomes of any object")
    captions = [picture_caption(recording, flow, picture) for picture in chosen]
    drawn = [
        draw_picture(recording, flow, p, measured.errors.score_threshold, measured.read_picture)
        for p in chosen
    ]
    pictures = tuple(Picture(f, c) for f, c in zip(drawn, captions, strict=True))
    return Section(name, title, intro, pictures, numbers=chosen)


def curves_section(measured: Measurements) -> Section:
    """Instrument 5."""
    names = {choice: row_label(choice) for choice in measured.errors.choices}
    result = compute_ap_curves(choices_of(measured.recording, names))
    return Section(
        "ap_curves",
        "AP by IoU threshold",
        "COCO AP of each stage's own detections and of the final answer, from a lenient threshold "
        "to a strict one (paper, Figure 2c). A cascade should gain at the strict end.",
        (Picture(plot_ap_curves(result), "AP by IoU threshold, with bands over images."),),
        (ap_curves_table(result),),
        ap_curves_findings(result),
        result,
    )


def localisation_section(measured: Measurements) -> Section:
    """Instrument 3."""
    result = compute_localisation(measured.recording)
    return Section(
        "localisation",
        "What each regressor makes of its boxes",
        "Boxes that enter a stage, by their IoU with the nearest object, and their IoU after the "
        "stage's regressor (paper, Figure 2a). Above the diagonal boxes get better.",
        (
            Picture(
                plot_localisation(result),
                "Mean IoU after, by IoU before, with 95 % bands; below, how many boxes.",
            ),
        ),
        (localisation_table(result),),
        localisation_findings(result),
        result,
    )


def loss_section(measured: Measurements) -> Section:
    """Instrument 4."""
    result = compute_classifier_loss(measured.recording)
    return Section(
        "classifier_loss",
        "How each classifier fares with its boxes",
        "Mean cross-entropy of the boxes that enter a stage, labelled at the stage's own u, by "
        "IoU (paper, Figure 2b).",
        (
            Picture(
                plot_classifier_loss(result),
                "Loss by IoU, with 95 % bands over images; the dotted lines are each stage's u.",
            ),
        ),
        (classifier_loss_table(result),),
        classifier_loss_findings(result),
        result,
    )


def recall_section(measured: Measurements) -> Section:
    """Instrument 8."""
    result = compute_proposal_recall(measured.recording)
    return Section(
        "proposal_recall",
        "How many objects the boxes reach",
        "Class-agnostic recall of the boxes that enter each stage, and of those that leave the "
        "last (paper, Table 8). What no box reaches, no later stage finds.",
        (Picture(plot_proposal_recall(result), "Recall by IoU for the best-ranked boxes."),),
        (proposal_recall_table(result),),
        proposal_recall_findings(result),
        result,
    )


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


SECTIONS: tuple[Callable[[Measurements], Section], ...] = (
    errors_section,
    pictures_section,
    curves_section,
    localisation_section,
    loss_section,
    recall_section,
    histograms_section,
    deltas_section,
    quality_section,
    forecast_section,
)
