"""Several detectors beside each other as plain curves, for `visualization.QualityViewer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cascadekit.evaluation.bootstrap import ROUNDS
from cascadekit.evaluation.coco_ap import THRESHOLDS
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.ap_curves import ApCurves, choices_of, compute_ap_curves
from cascadekit.quality.classifier_loss import ClassifierLoss, compute_classifier_loss
from cascadekit.quality.iou_bins import BinnedMeans
from cascadekit.quality.iou_histograms import IoUHistograms, compute_iou_histograms
from cascadekit.quality.localisation import Localisation, compute_localisation
from cascadekit.quality.proposal_recall import (
    OUTPUT,
    ProposalRecall,
    compute_proposal_recall,
)
from cascadekit.quality.records import Recording, SampleRecording
from cascadekit.quality.tables import number
from cascadekit.visualization.curve_families import CurveFamily, QualityCurve

FINAL = "final"


def detector_curves(
    recordings: Mapping[str, Recording],
    samples: Mapping[str, SampleRecording] | None = None,
    rounds: int = ROUNDS,
) -> tuple[CurveFamily, ...]:
    """Run the instruments that draw curves over IoU on several detectors.

    Args:
        recordings: name of a detector -> what it did on the same images; may be empty.
        samples: name -> what its stages saw in training; names may be missing. None: no
            histograms.
        rounds: draws of images behind the bands of AP; 0: no bands.

    Returns:
        AP by threshold, localisation, classification loss, recall and, with samples, histograms.
    """
    families = [
        ap_family(
            {
                name: compute_ap_curves(choices_of(each, _choices(each)), rounds=rounds)
                for name, each in recordings.items()
            }
        ),
        localisation_family({n: compute_localisation(each) for n, each in recordings.items()}),
        loss_family({n: compute_classifier_loss(each) for n, each in recordings.items()}),
        recall_family({n: compute_proposal_recall(each) for n, each in recordings.items()}),
    ]
    if samples:
        histograms = {n: compute_iou_histograms(each) for n, each in samples.items()}
        families.append(histogram_family(histograms))
    return tuple(families)


def _choices(recording: Recording) -> dict[str, str]:
    """Choice of stages -> its name for people; the detector's answer is called final."""
    if not recording.images:
        return {}
    names = {key: key for key in recording.images[0].detections}
    names = {key: f"stage{'s' if '~' in key else ''} {key}" for key in names}
    return {**names, recording.final: FINAL}


def _order(stages: Sequence[str]) -> tuple[str, ...]:
    """Each name once: final first, single stages, ensembles, what leaves the last."""
    kinds = (FINAL, "stage ", "stages ", OUTPUT)
    known = dict.fromkeys(stages)
    return tuple(
        sorted(known, key=lambda s: (next(k for k, w in enumerate(kinds) if s.startswith(w)), s))
    )


def ap_family(results: Mapping[str, ApCurves]) -> CurveFamily:
    """AP by IoU threshold, percent.

    Args:
        results: name of a detector -> its curves, called "final", "stage 1", "stages 1~2".

    Returns:
        A curve for each detector and choice of stages.
    """
    curves = [
        QualityCurve(
            detector,
            curve.name,
            np.array(THRESHOLDS) / 100,
            100 * curve.by_threshold,
            *((100 * curve.low[1:], 100 * curve.high[1:]) if own.rounds else (None, None)),
            summary=f"AP {percent(curve.ap['AP'])}",
        )
        for detector, own in results.items()
        for curve in own.curves
    ]
    return CurveFamily(
        "AP by IoU threshold",
        "IoU threshold",
        "AP (%)",
        tuple(curves),
        _order([curve.stage for curve in curves]),
        legend="lower left",
        note="Bands are over images, and overlap even where a difference on the same images is "
        "sure: compute_ap_curves gives the paired gain.",
    )


def localisation_family(results: Mapping[str, Localisation]) -> CurveFamily:
    """IoU after a stage's regressor by IoU before.

    Args:
        results: name of a detector -> curves of its stages, of `compute_localisation`.

    Returns:
        A curve for each detector and stage.
    """
    curves = [
        _means(detector, curve.name, curve.output, curve.inputs, number(curve.mean_output, 3))
        for detector, own in results.items()
        for curve in own.curves
    ]
    return CurveFamily(
        "Boxes before and after",
        "IoU before",
        "mean IoU after",
        curves=tuple(curves),
        stages=_order([curve.stage for curve in curves]),
        legend="upper left",
        digits=3,
        diagonal=True,
        note="Above the grey diagonal boxes get better. Beside the names: the mean of all boxes.",
    )


def loss_family(results: Mapping[str, ClassifierLoss]) -> CurveFamily:
    """Cross-entropy of a stage's classifier by IoU of its boxes.

    Args:
        results: name of a detector -> curves of its stages, of `compute_classifier_loss`.

    Returns:
        A curve for each detector and stage.
    """
    curves = [
        _means(detector, curve.name, curve.loss, curve.loss.middles, f"u {curve.threshold:g}")
        for detector, own in results.items()
        for curve in own.curves
    ]
    return CurveFamily(
        "Classification loss",
        "IoU of the box",
        "mean cross-entropy",
        curves=tuple(curves),
        stages=_order([curve.stage for curve in curves]),
        legend="upper right",
        digits=3,
        note="Each by the labels of its own u, so the curves are of different tasks.",
    )


def _means(
    detector: str, stage: str, means: BinnedMeans, at: np.ndarray, summary: str
) -> QualityCurve:
    """The bins that have enough boxes."""
    known = means.known
    return QualityCurve(
        detector,
        stage,
        at[known],
        means.mean[known],
        means.low[known],
        means.high[known],
        summary,
    )


def recall_family(results: Mapping[str, ProposalRecall]) -> CurveFamily:
    """Share of the objects that the boxes entering a stage cover, percent, by IoU.

    Args:
        results: name of a detector -> recall of its stages' boxes.

    Returns:
        A curve for each detector, stage and what leaves the last, at the largest limit.
    """
    curves = [
        QualityCurve(
            detector,
            row.name,
            own.ious,
            100 * row.curve[max(own.limits)],
            summary=f"AR {percent(row.average[f'AR{max(own.limits)}'])}",
        )
        for detector, own in results.items()
        for row in own.rows
    ]
    return CurveFamily(
        "Recall of boxes",
        "IoU",
        "objects covered (%)",
        curves=tuple(curves),
        stages=_order([curve.stage for curve in curves]),
        legend="lower left",
        note="Stage k: the boxes that enter it. Output: those that leave the last one.",
    )


def histogram_family(results: Mapping[str, IoUHistograms]) -> CurveFamily:
    """Share of a stage's training samples by IoU, percent of all samples.

    Args:
        results: name of a detector -> histograms of its stages.

    Returns:
        Steps for each detector and stage; their value at an IoU is the share from there on.
    """
    curves = [
        QualityCurve(
            detector,
            f"stage {stage.stage + 1}",
            own.edges,
            100 * stage.counts / max(stage.num_samples, 1),
            summary=f"u {stage.threshold:g}: {percent(stage.share_u)} %",
        )
        for detector, own in results.items()
        for stage in own.stages
    ]
    return CurveFamily(
        "IoU of training samples",
        "IoU",
        "samples (%)",
        tuple(curves),
        _order([curve.stage for curve in curves]),
        kind="steps",
        legend="best",
        note="In the table: the share of samples at or above the IoU. Copies of ground truth are "
        "left out.",
    )
