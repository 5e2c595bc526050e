"""Sections of the diagnosis on what stages do in inference."""

from __future__ import annotations

from cascadekit.evaluation.stage_table import row_label
from cascadekit.quality.ap_curves import (
    ap_curves_findings,
    ap_curves_table,
    choices_of,
    compute_ap_curves,
    plot_ap_curves,
)
from cascadekit.quality.classifier_loss import (
    classifier_loss_findings,
    classifier_loss_table,
    compute_classifier_loss,
    plot_classifier_loss,
)
from cascadekit.quality.localisation import (
    compute_localisation,
    localisation_findings,
    localisation_table,
    plot_localisation,
)
from cascadekit.quality.measurements import Measurements
from cascadekit.quality.proposal_recall import (
    compute_proposal_recall,
    plot_proposal_recall,
    proposal_recall_findings,
    proposal_recall_table,
)
from cascadekit.quality.proposal_swap import (
    compute_proposal_swap,
    plot_proposal_swap,
    proposal_swap_findings,
    proposal_swap_table,
)
from cascadekit.quality.report import Picture, Section
from cascadekit.quality.stage_errors import (
    object_flow_table,
    plot_object_flow,
    plot_stage_errors,
    stage_errors_findings,
    stage_errors_gains_table,
    stage_errors_table,
)
from cascadekit.quality.stage_matrix import (
    compute_stage_matrix,
    plot_head_curves,
    plot_stage_matrix,
    stage_choices_table,
    stage_matrix_findings,
    stage_matrix_table,
)
from cascadekit.quality.stage_pictures import choose_pictures, draw_picture, picture_caption


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
                "The first column shows the best proposal of each object, whatever its rank.",
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
    names = {choice: row_label(choice).capitalize() for choice in measured.errors.choices}
    result = compute_ap_curves(choices_of(measured.recording, names))
    found = ap_curves_findings(result)
    return Section(
        "ap_curves",
        "AP by IoU threshold",
        "COCO AP of each stage's own detections and of the final answer, from a lenient threshold "
        "to a strict one (paper, Figure 2c). A cascade should gain at the strict end.",
        (Picture(plot_ap_curves(result), "AP by IoU threshold, with bands over images."),),
        (ap_curves_table(result),),
        (*found[-1:], *found[:-1]),  # the final answer first
        result,
    )


def matrix_section(measured: Measurements) -> Section:
    """Instrument 6."""
    name, title = "stage_matrix", "Every head on every stage's boxes"
    intro = (
        "AP of each head on the boxes that enter each stage, refined by the stage's own regressor, "
        "and the ensembles (paper, Table 2 and Figure 8). A head should gain from better boxes."
    )
    if measured.recording.num_stages == 1:
        return Section(name, title, intro, skipped="there is one stage, so there is one pair")
    result = compute_stage_matrix(measured.recording)
    return Section(
        name,
        title,
        intro,
        (
            Picture(plot_stage_matrix(result), "AP in percent; the detector's own pairs framed."),
            Picture(
                plot_head_curves(result),
                "AP of each head by IoU threshold, a line for the boxes of each stage.",
            ),
        ),
        (stage_choices_table(result), stage_matrix_table(result)),
        stage_matrix_findings(result),
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


def swap_section(measured: Measurements) -> Section:
    """Instrument 7."""
    name, title = "proposal_swap", "With the ground truth among the proposals"
    intro = (
        "The same detector, started from its own proposals and from these with the objects' own "
        "boxes added (paper, Figure 7b). What it gains is what better proposals could give it."
    )
    if measured.with_truth is None:
        return Section(name, title, intro, skipped="there is no ground truth to add")
    result = compute_proposal_swap([measured.recording, measured.with_truth])
    return Section(
        name,
        title,
        intro,
        (Picture(plot_proposal_swap(result), "AP by IoU threshold, with bands over images."),),
        (proposal_swap_table(result),),
        proposal_swap_findings(result),
        result,
    )
