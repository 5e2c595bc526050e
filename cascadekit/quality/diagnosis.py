"""START HERE for a diagnosis: record a detector once, run every instrument, make a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rich.console import Console
from torch import nn

from cascadekit.evaluation.stage_table import row_label
from cascadekit.progress import track
from cascadekit.quality.collect import record_samples, record_stages
from cascadekit.quality.diagnosis_stages import (
    curves_section,
    errors_section,
    localisation_section,
    loss_section,
    matrix_section,
    pictures_section,
    recall_section,
    swap_section,
)
from cascadekit.quality.diagnosis_training import (
    deltas_section,
    forecast_section,
    histograms_section,
    quality_section,
)
from cascadekit.quality.measurements import Measurements
from cascadekit.quality.proposal_sets import stage_inputs, with_ground_truth
from cascadekit.quality.records import Recording, SampleRecording
from cascadekit.quality.report import Report, Section
from cascadekit.quality.stage_errors import SCORE_THRESHOLD, compute_stage_errors
from cascadekit.structures.samples import ImageInfo

SECTIONS: tuple[Callable[[Measurements], Section], ...] = (
    errors_section,
    pictures_section,
    curves_section,
    matrix_section,
    localisation_section,
    loss_section,
    recall_section,
    swap_section,
    histograms_section,
    deltas_section,
    quality_section,
    forecast_section,
)


def diagnose(
    detector: nn.Module,
    loader: Any,
    train_loader: Any = None,
    *,
    max_images: int | None = 200,
    title: str = "Diagnosis",
    facts: Mapping[str, str] | None = None,
    read_picture: Callable[[ImageInfo], np.ndarray] | None = None,
    no_samples: str = "no training pictures were given",
    score_threshold: float = SCORE_THRESHOLD,
    seed: int = 0,
) -> Report:
    """Record what a detector does on a data set and run all instruments on it.

    Two passes over the pictures as in inference (the second starts from the detector's proposals
    with the ground truth added) and one over the training pictures; a second one over these for a
    detector with one head, for the forecast.

    Args:
        detector: ours, with `classes`.
        loader: pictures with ground truth, as of `apis.open_loader`.
        train_loader: training pictures, likewise; None: the sections on training are left out.
        max_images: the first so many of each loader; None: all. They are in memory at once.
        title: of the report.
        facts: name -> value, to stand under the title before those found here.
        read_picture: gives the (H, W, 3) uint8 RGB picture of an image, as `apis.read_picture`;
            None: no pictures.
        no_samples: why there is no train_loader.
        score_threshold: detections below it are not shown.
        seed: of the samplers.

    Returns:
        The report, for `write_report`.

    Raises:
        InputError: the model has no stages, or the samples carry no ground truth.
    """
    measured = measure(
        detector, loader, train_loader, max_images, read_picture, no_samples, score_threshold, seed
    )
    named = dict(facts or {})
    if getattr(detector.roi_head, "mask_head", None) is not None:
        named["Measured"] = "boxes; the masks are not looked at"
    return build_report(measured, title, named)


def measure(
    detector: nn.Module,
    loader: Any,
    train_loader: Any = None,
    max_images: int | None = 200,
    read_picture: Callable[[ImageInfo], np.ndarray] | None = None,
    no_samples: str = "no training pictures were given",
    score_threshold: float = SCORE_THRESHOLD,
    seed: int = 0,
) -> Measurements:
    """Make all recordings that the sections read; arguments are those of `diagnose`."""
    recording = record_stages(detector, loader, limit=max_images, description="Stages")
    with_truth = samples = trained_on = None
    if any(len(record.truth.counted().boxes) for record in recording.images):
        with_truth = record_stages(
            detector,
            loader,
            proposals=with_ground_truth(stage_inputs(recording, 0), recording),
            all_heads=False,
            limit=max_images,
            description="Stages, ground truth added",
        )
    if train_loader is not None:
        samples = record_samples(detector, train_loader, limit=max_images, seed=seed)
        if len(recording.stage_ious) == 1:
            trained_on = record_stages(
                detector,
                train_loader,
                all_heads=False,
                limit=max_images,
                description="Stages, training pictures",
            )
    with Console().status("Errors of each stage, and AP with each kind mended"):
        errors = compute_stage_errors(recording, score_threshold)
    return Measurements(
        recording, errors, with_truth, trained_on, samples, no_samples, read_picture
    )


def build_report(
    measured: Measurements, title: str = "Diagnosis", facts: Mapping[str, str] | None = None
) -> Report:
    """Run every instrument on what was recorded.

    Args:
        measured: recordings of one detector.
        title: of the report.
        facts: name -> value, to stand under the title before those found here.

    Returns:
        The report.
    """
    sections = tuple(make(measured) for make in track(SECTIONS, description="Instruments"))
    own = {**(facts or {}), **_facts(measured.recording, measured.samples)}
    return Report(title, own, sections, _notes(measured))


def _facts(recording: Recording, samples: SampleRecording | None) -> dict[str, str]:
    """What was recorded."""
    objects = sum(len(record.truth.counted().boxes) for record in recording.images)
    stages = ", ".join(f"{k + 1}: u = {recording.stage_ious[h]:g}" for k, h in _heads(recording))
    return {
        "Pictures": f"{len(recording.images)}, with {objects} objects that count",
        "Training pictures": "none" if samples is None else str(samples.num_images),
        "Classes": ", ".join(recording.classes),
        "Stages": stages or "none recorded",
        "Answer": f"{row_label(recording.final)}, starting from {recording.proposals}",
    }


def _heads(recording: Recording) -> list[tuple[int, int]]:
    """(stage, head) of every stage; empty without images."""
    first = recording.images[0].stages if recording.images else ()
    return [(k, stage.head) for k, stage in enumerate(first)]


def _notes(measured: Measurements) -> tuple[str, ...]:
    """What one should know of this model before reading."""
    notes = []
    heads = [head for _, head in _heads(measured.recording)]
    if len(heads) > 1 and len(set(heads)) == 1:
        notes.append(
            f"One head runs {len(heads)} times (iterative BBox): a stage is a pass of that head."
        )
    if measured.errors.shared_rois:
        notes.append(
            "All heads look at the same boxes (integral loss): stages do not follow each other."
        )
    return tuple(notes)
