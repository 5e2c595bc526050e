"""With a checkpoint: what its stages train on and whether a cascade can help, measured."""

from __future__ import annotations

from typing import Any

from mmengine import Config

from cascadekit.apis import load_detector, open_loader
from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Finding
from cascadekit.doctor.positives import positives_table, stage_ious
from cascadekit.errors import InputError
from cascadekit.quality.cascade_forecast import (
    LABELS,
    LITTLE,
    cascade_forecast_findings,
    cascade_forecast_table,
    compute_cascade_forecast,
)
from cascadekit.quality.collect import record_samples, record_stages
from cascadekit.quality.proposal_quality import (
    compute_proposal_quality,
    plot_proposal_quality,
    proposal_quality_findings,
    proposal_quality_table,
)
from cascadekit.quality.report import Picture
from cascadekit.quality.tables import Table

Report = tuple[list[Finding], list[Table], list[Picture]]


def measured_quality(config: Config, checkpoint: str, limit: int, device: str | None) -> Report:
    """The proposal-quality report of a checkpoint, and of one stage the forecast.

    Args:
        config: of `load_config`.
        checkpoint: trained weights, or "shipped".
        limit: pictures of the test set, and as many of the training set.
        device: to run on; None: a GPU if there is one.

    Returns:
        Findings, tables and plots; one error where it cannot be measured on these data.

    Raises:
        InputError: the checkpoint cannot be read or does not fit the config.
    """
    detector = load_detector(config, checkpoint, device)
    try:
        test, train = (open_loader(config, split) for split in ("test", "train"))
    except InputError as error:
        return [_cannot(str(error))], [], []
    for loader in (test, train):
        names = tuple(loader.dataset.metainfo.get("classes") or ())
        if detector.classes and names != tuple(detector.classes):
            trained = ", ".join(detector.classes)
            return (
                [_cannot(f"it was trained on {trained}; the data have {', '.join(names)}")],
                [],
                [],
            )
    new = record_stages(detector, test, all_heads=False, limit=limit)
    samples = record_samples(detector, train, limit=limit)
    ious = stage_ious(config)
    quality = compute_proposal_quality(new, samples, stages=max(len(ious), 1))
    tables = [proposal_quality_table(quality)]
    findings = [_note("proposals.quality", text) for text in proposal_quality_findings(quality)]
    if quality.curves and len(ious) == len(quality.curves):
        objects = sum(len(record.truth.counted().boxes) for record in new.images)
        source = f"Boxes: those that the checkpoint trains on, {samples.num_images} pictures."
        per_image = objects / max(len(new.images), 1)
        tables.append(positives_table(quality, ious, per_image, source))
    plots = [Picture(plot_proposal_quality(quality), "Share of positives by u, stage by stage.")]
    if len(ious) == 1:
        more, table = _forecast(detector, new, train, limit, quality)
        findings += more
        tables.append(table)
    return findings, tables, plots


def _forecast(
    detector: Any, new: Any, train: Any, limit: int, quality: Any
) -> tuple[list[Finding], Table]:
    old = record_stages(
        detector, train, all_heads=False, limit=limit, description="Training pictures"
    )
    forecast = compute_cascade_forecast(new, trained_on=old, quality=quality)
    severity = WARNING if forecast.verdict in (LABELS, LITTLE) else NOTE
    texts = cascade_forecast_findings(forecast)
    fix = "`cascadekit suggest` writes the config of the cascade that fits these boxes"
    findings = [Finding("proposals.forecast", severity, "checkpoint", texts[0], fix)]
    findings += [_note("proposals.forecast", text) for text in texts[1:]]
    return findings, cascade_forecast_table(forecast)


def _note(check: str, text: str) -> Finding:
    return Finding(check, NOTE, "checkpoint", text)


def _cannot(why: str) -> Finding:
    fix = "Give the config that the training wrote, or the data it was trained on"
    return Finding("checkpoint.data", ERROR, "checkpoint", f"it cannot be measured: {why}", fix)
