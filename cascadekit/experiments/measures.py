"""What is measured of a trained run: each measure a function from a subject to plain values.

The work is done by the instruments of `cascadekit.quality`; here their answers get the keys that
experiments and claims read. IoUs and APs are fractions, nan becomes None when it is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine import Config
from torch import nn

from cascadekit.apis import evaluate, load_detector, open_loader
from cascadekit.cost.measure import measure_cost
from cascadekit.experiments.benchmark_scores import benchmark_scores
from cascadekit.experiments.measured_pictures import some_pictures
from cascadekit.experiments.suggestion import STAGES
from cascadekit.quality.ap_curves import ap_numbers, recording_results
from cascadekit.quality.cascade_forecast import cascade_forecast_findings
from cascadekit.quality.classifier_loss import compute_classifier_loss
from cascadekit.quality.collect import record_samples, record_stages
from cascadekit.quality.config_suggestion import suggest
from cascadekit.quality.delta_statistics import compute_delta_statistics
from cascadekit.quality.iou_bins import BinnedMeans
from cascadekit.quality.iou_histograms import compute_iou_histograms
from cascadekit.quality.localisation import compute_localisation
from cascadekit.quality.proposal_quality import proposal_quality_findings
from cascadekit.quality.proposal_recall import compute_proposal_recall
from cascadekit.quality.proposal_sets import ProposalSet, stage_inputs, with_ground_truth
from cascadekit.quality.records import Recording, SampleRecording
from cascadekit.quality.stage_errors import compute_stage_errors
from cascadekit.quality.stage_matrix import compute_stage_matrix
from cascadekit.quality.tables import as_json

SHARES = (0.5, 0.6, 0.7)
COST_PROPOSALS = 300


@dataclass(frozen=True)
class Subject:
    """A trained detector with its data, recorded when first asked for.

    Attributes:
        name: of the arm.
        config: as it is tested.
        checkpoint: its weights.
        cascade: the cascade of the same data and seed, for `swap`; None: not trained.
    """

    name: str
    config: Config
    checkpoint: Path
    cascade: Subject | None = None

    @cached_property
    def detector(self) -> nn.Module:
        """With its weights, on the CPU."""
        return load_detector(self.config, self.checkpoint, device="cpu")

    @cached_property
    def recording(self) -> Recording:
        """Its stages on the val set, all heads on all of them."""
        return record_stages(self.detector, open_loader(self.config))

    @cached_property
    def samples(self) -> SampleRecording:
        """What its stages learn from, on the training set without flips."""
        return record_samples(self.detector, open_loader(self.config, "train"))


def scores(subject: Subject) -> dict[str, Any]:
    """AP of boxes and masks, of the final answer and of each choice of stages."""
    with tempfile.TemporaryDirectory() as folder:
        found = evaluate(subject.config, subject.checkpoint, folder, device="cpu")
    values: dict[str, Any] = {}
    for key, value in found.items():
        *choice, name = key.removeprefix("coco/").split("/")
        stages = choice[0].removeprefix("stage_") if choice else "final"
        kind, _, column = name.partition("_")
        values.setdefault(stages, {}).setdefault(kind, {})[column] = value
    return values


def localisation(subject: Subject) -> dict[str, Any]:
    """IoU after each stage's regressor by IoU before it."""
    return {
        f"stage{curve.stage + 1}": {
            **_binned(curve.output),
            "input": curve.inputs,
            "u": curve.threshold,
            "share_worse": curve.share_worse,
            "crossing": curve.crossing,
            "rois": curve.rois,
        }
        for curve in compute_localisation(subject.recording).curves
    }


def loss_by_iou(subject: Subject) -> dict[str, Any]:
    """Cross-entropy of each stage's classifier by IoU of its boxes."""
    return {
        f"stage{curve.stage + 1}": {
            **_binned(curve.loss),
            "u": curve.threshold,
            "mean_loss": curve.mean_loss,
            "rois": curve.rois,
        }
        for curve in compute_classifier_loss(subject.recording).curves
    }


def _binned(means: BinnedMeans) -> dict[str, Any]:
    return {
        "edges": means.edges,
        "mean": means.mean,
        "count": means.count,
        "low": means.low,
        "high": means.high,
    }


def recall(subject: Subject) -> dict[str, Any]:
    """AR of the boxes that enter each stage, and of the output of the last."""
    rows = compute_proposal_recall(subject.recording).rows
    return {row.name.replace(" ", ""): dict(row.average) for row in rows}


def samples(subject: Subject) -> dict[str, Any]:
    """IoU and regression targets of what each stage learns from."""
    histograms = compute_iou_histograms(subject.samples, thresholds=SHARES)
    spreads = compute_delta_statistics(subject.samples)
    values = {}
    for own, spread in zip(histograms.stages, spreads.stages, strict=True):
        shares = zip(SHARES, own.shares, strict=True)
        values[f"stage{own.stage + 1}"] = {
            "u": own.threshold,
            **{f"share{round(100 * at)}": share for at, share in shares},
            "share_u": own.share_u,
            "positives_per_image": own.positives_per_image,
            "num_samples": own.num_samples,
            "mean": spread.kept.mean,
            "std": spread.kept.std,
            "std_uncut": spread.uncut.std,
            "std_first_cut": spread.first_cut.std,
            "std_in_use": spread.stds_in_use,
            "edges": histograms.edges,
            "histogram": own.counts,
        }
    return values


def matrix(subject: Subject) -> dict[str, Any]:
    """AP of every head on the boxes of every stage: `stage1`, `head2`, AP.

    Boxes are refined by the regressor of the stage; under `by_head` by that of the scoring head.
    """
    values: dict[str, Any] = {"regressor": "stage", **_matrix(subject, "stage")}
    values["by_head"] = {"regressor": "head", **_matrix(subject, "head")}
    return values


def _matrix(subject: Subject, regressor: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for cell in compute_stage_matrix(subject.recording, regressor, rounds=0).cells:
        row = values.setdefault(f"stage{cell.stage + 1}", {})
        row[f"head{cell.head + 1}"] = dict(cell.curve.ap)
    return values


def swap(subject: Subject) -> dict[str, Any]:
    """AP on other proposals than its own: ground truth added, and boxes entering cascade stages."""
    own = stage_inputs(subject.recording, 0)
    values = {"rpn": _final_ap(subject.recording)}
    values["rpn+gt"] = _ap_on(subject, with_ground_truth(own, subject.recording))
    if subject.cascade is not None:
        for stage in range(1, subject.cascade.recording.num_stages):
            boxes = stage_inputs(subject.cascade.recording, stage)
            values[f"cascade{stage + 1}"] = _ap_on(subject, boxes)
    return values


def _ap_on(subject: Subject, proposals: ProposalSet) -> dict[str, Any]:
    loader = open_loader(subject.config)
    return _final_ap(record_stages(subject.detector, loader, proposals=proposals, all_heads=False))


def _final_ap(recording: Recording) -> dict[str, Any]:
    found = recording_results(recording, recording.final)
    return dict(ap_numbers(recording.ground_truth(), found))


def errors(subject: Subject) -> dict[str, Any]:
    """What goes wrong at each stage."""
    found: dict[str, Any] = as_json(compute_stage_errors(subject.recording))
    return found


def benchmark(subject: Subject) -> dict[str, Any]:
    """The own scores of the benchmark in whose format the val set is."""
    return dict(benchmark_scores(subject.detector, open_loader(subject.config)))


def cost(subject: Subject) -> dict[str, Any]:
    """Time and arithmetic of one picture of the val set's own size, random weights."""
    height, width = open_loader(subject.config).dataset[0]["data_samples"].metainfo["ori_shape"][:2]
    found = measure_cost(
        subject.config, subject.name, (height, width), proposals=COST_PROPOSALS, device="cpu"
    )
    return {
        "seconds_per_image": found.seconds,
        "step_seconds": found.step_seconds,
        "gflop": found.gflops,
        "megabytes": found.megabytes,
        "threads": found.threads,
    }


def pictures(subject: Subject) -> list[dict[str, Any]]:
    """The first val pictures with one to six objects, with what was found on them."""
    return some_pictures(subject.recording)


def suggestion(subject: Subject) -> dict[str, Any]:
    """The cascade that a one-stage detector suggests, and a forecast whether one helps.

    Thresholds and stds are of the training set alone, as `suggested` is trained with them; the
    forecast is made on val pictures.
    """
    chosen = suggest(samples=subject.samples, stages=STAGES)
    trained_on = record_stages(
        subject.detector, open_loader(subject.config, "train"), limit=len(subject.recording.images)
    )
    forecast = suggest(
        recording=subject.recording, samples=subject.samples, trained_on=trained_on, stages=STAGES
    ).forecast
    assert forecast is not None
    return {
        "stage_ious": chosen.stage_ious,
        "delta_stds": chosen.delta_stds,
        "shares": [choice.share for choice in chosen.quality.choices],
        "positives_per_image": [c.positives_per_image for c in chosen.quality.choices],
        "supported": chosen.quality.supported,
        "forecast": forecast.verdict,
        "confidence": forecast.confidence,
        "findings": [
            *proposal_quality_findings(chosen.quality),
            *cascade_forecast_findings(forecast),
        ],
    }


MEASURES: Mapping[str, Callable[[Subject], Any]] = {
    "scores": scores,
    "localisation": localisation,
    "loss_by_iou": loss_by_iou,
    "recall": recall,
    "samples": samples,
    "matrix": matrix,
    "swap": swap,
    "errors": errors,
    "benchmark": benchmark,
    "cost": cost,
    "pictures": pictures,
    "suggestion": suggestion,
}
