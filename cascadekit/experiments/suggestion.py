"""The cascade that a one-stage detector's proposals suggest, from its training set alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine import Config

from cascadekit.apis import load_detector, open_loader
from cascadekit.experiments.runs import CONFIG, WEIGHTS
from cascadekit.quality.collect import record_samples
from cascadekit.quality.config_suggestion import suggest as suggest_from
from cascadekit.quality.records import SampleRecording

STAGES = 3


def suggest(folder: Path) -> dict[str, Any]:
    """Settings of the roi head that a run's proposal-quality report suggests.

    Args:
        folder: of a trained run of a one-stage detector.

    Returns:
        `stage_ious` and `delta_stds`, of three stages.
    """
    found = suggest_from(samples=training_samples(folder), stages=STAGES)
    return {
        "stage_ious": list(found.stage_ious),
        "delta_stds": [list(stds) for stds in found.delta_stds],
    }


def training_samples(folder: Path) -> SampleRecording:
    """What a trained run's stages see of its training pictures, each once and not flipped."""
    config = Config.fromfile(str(folder / CONFIG))
    detector = load_detector(config, folder / WEIGHTS, device="cpu")
    return record_samples(detector, open_loader(config, "train"))
