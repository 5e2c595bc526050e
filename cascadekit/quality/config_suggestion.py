"""A cascade for these proposals: stage IoUs and stds as config lines, options, or a config file."""

from __future__ import annotations

import json
import math
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascadekit.errors import InputError
from cascadekit.quality.cascade_forecast import (
    CascadeForecast,
    cascade_forecast_table,
    compute_cascade_forecast,
)
from cascadekit.quality.proposal_quality import (
    TARGET,
    Four,
    ProposalQuality,
    StageChoice,
    compute_proposal_quality,
    proposal_quality_findings,
    proposal_quality_table,
)
from cascadekit.quality.records import Recording, SampleRecording
from cascadekit.quality.stage_arrivals import Sampling

STANDARD_STDS: Four = (0.1, 0.1, 0.2, 0.2)  # of stage 1; stage k's are a k-th of them (section 4.1)


@dataclass(frozen=True)
class SuggestedStage:
    """One stage of the suggested cascade.

    Attributes:
        u: IoU threshold.
        stds: of its deltas (dx, dy, dw, dh), two digits.
        stds_from: where they come from, for the comment beside them.
    """

    u: float
    stds: Four
    stds_from: str


@dataclass(frozen=True)
class CascadeSuggestion:
    """What to train, and what the suggestion rests on.

    Attributes:
        stages: T entries, u not falling.
        quality: the report that the stages come from.
        forecast: whether a cascade can help; None where only training samples were given.
    """

    stages: tuple[SuggestedStage, ...]
    quality: ProposalQuality
    forecast: CascadeForecast | None

    @property
    def stage_ious(self) -> tuple[float, ...]:
        """U of each stage."""
        return tuple(stage.u for stage in self.stages)

    @property
    def delta_stds(self) -> tuple[Four, ...]:
        """Stds of each stage."""
        return tuple(stage.stds for stage in self.stages)

    def options(self) -> dict[str, Any]:
        """The changes as `load_config(options=...)` and `--cfg-options` take them."""
        return {
            "model.roi_head.stage_ious": list(self.stage_ious),
            "model.roi_head.delta_stds": [list(stds) for stds in self.delta_stds],
        }

    def report(self) -> tuple[str, ...]:
        """All of it as text for a console: tables, findings, config lines."""
        parts = [proposal_quality_table(self.quality).text(), ""]
        parts += [f"- {text}" for text in proposal_quality_findings(self.quality)]
        if self.forecast is not None:
            parts += ["", cascade_forecast_table(self.forecast).text(), ""]
            parts.append(f"- Forecast: {self.forecast.headline}.")
        return (*parts, "", *self.config_lines(), "")

    def config_lines(self) -> tuple[str, ...]:
        """Lines of a config: `model = dict(roi_head=dict(...))`."""
        ious = ", ".join(f"{u:g}" for u in self.stage_ious)
        comma = "," * (len(self.stages) == 1)
        rows = [
            f"            ({', '.join(f'{std:g}' for std in stage.stds)}),  # {stage.stds_from}"
            for stage in self.stages
        ]
        return (
            *("model = dict(", "    roi_head=dict("),
            f"        stage_ious=({ious}{comma}),",
            *("        delta_stds=[", *rows, "        ],"),
            *("    ),", ")"),
        )


def suggest(
    recording: Recording | None = None,
    samples: SampleRecording | None = None,
    *,
    trained_on: Recording | None = None,
    stages: int = 3,
    target: float = TARGET,
    sampling: Sampling | None = None,
) -> CascadeSuggestion:
    """Suggest a cascade from what a one-stage detector does, before any cascade is trained.

    Args:
        recording: its stages on held-out images; or proposals alone, for which much is assumed.
        samples: what its stage saw in training; either may be missing.
        trained_on: its stages on images that it was trained on, for the forecast.
        stages: T, of the cascade.
        target: wanted share of positives at each stage.
        sampling: how stage 1 draws rois, for a recording; None: 512, a quarter positive, u = .5.

    Returns:
        Stages, the report that they come from, and the forecast.

    Raises:
        InputError: nothing is given, or there is no roi in it to go by.
    """
    quality = compute_proposal_quality(
        recording, samples, stages=stages, target=target, sampling=sampling
    )
    if not quality.choices or math.isnan(quality.choices[0].share):
        raise InputError(
            f"nothing to suggest a cascade from: {quality.num_images} images without any roi"
        )
    first = tuple(samples.stages[0].stds) if samples is not None and samples.stages else None
    in_use: Four = (first[0], first[1], first[2], first[3]) if first else STANDARD_STDS
    forecast = None
    if recording is not None:
        forecast = compute_cascade_forecast(recording, trained_on=trained_on, quality=quality)
    chosen = tuple(_stage(choice, in_use) for choice in quality.choices)
    return CascadeSuggestion(chosen, quality, forecast)


def _stage(choice: StageChoice, first_stds: Four) -> SuggestedStage:
    number = choice.stage + 1
    if choice.enough:
        stds = tuple(float(f"{std:.2g}") for std in choice.stds)
        origin = f"stage {number}, {choice.basis} on {choice.count} positives"
    else:
        stds = tuple(float(f"{std / number:.3g}") for std in first_stds)
        origin = f"stage {number}, the standard: only {choice.count} positives to measure"
    return SuggestedStage(choice.u, (stds[0], stds[1], stds[2], stds[3]), origin)


def config_target(
    base: str | os.PathLike[str], path: str | os.PathLike[str], overwrite: bool = False
) -> Path:
    """The file that a config can be written to.

    Args:
        base: the config that it will inherit from.
        path: where it shall go.
        overwrite: whether a file that is there may be replaced.

    Returns:
        The path.

    Raises:
        InputError: the file exists, is the base itself, or does not end in .py.
    """
    file = Path(path)
    if file.suffix != ".py":
        raise InputError(f"a config ends in .py, got {str(path)!r}")
    if file.resolve() == Path(base).resolve():
        raise InputError(f"{file} is the config to start from: give another name to write to")
    if file.exists() and not overwrite:
        raise InputError(f"{file} exists: give another name, or say that it may be overwritten")
    return file


def write_config(
    suggestion: CascadeSuggestion,
    base: str | os.PathLike[str],
    path: str | os.PathLike[str],
    overwrite: bool = False,
) -> Path:
    """Write a config that makes the suggested cascade of the user's own config.

    Args:
        suggestion: of `suggest`.
        base: the config that the detector was trained with; it is inherited, not changed.
        path: file to write, ending in .py; folders are made.
        overwrite: whether a file that is there may be replaced.

    Returns:
        The file.

    Raises:
        InputError: as `config_target`.
    """
    file = config_target(base, path, overwrite)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(config_text(suggestion, _reference(Path(base), file)), encoding="utf-8")
    return file


def _reference(base: Path, file: Path) -> str:
    """How a config names its base: from its own folder, with slashes on every system."""
    try:
        return Path(os.path.relpath(base.resolve(), file.resolve().parent)).as_posix()
    except ValueError:  # another drive of Windows
        return base.resolve().as_posix()


def config_text(suggestion: CascadeSuggestion, base: str) -> str:
    """The whole file: what was measured in its docstring, the base, and the changes.

    Args:
        suggestion: of `suggest`.
        base: what `_base_` says.

    Returns:
        Python text, with a newline at the end.
    """
    quality = suggestion.quality
    lines = [
        f'"""The cascade that the proposal-quality report suggests for {Path(base).name}.',
        "",
        f"Measured on {quality.num_images} images. Positives expected at each stage:",
        *(
            f"  stage {c.stage + 1}: {100 * c.share:.1f} % of the rois, "
            f"{c.positives_per_image:.1f} per image ({c.basis})"
            for c in quality.choices
        ),
    ]
    if suggestion.forecast is not None:
        lines += ["", *textwrap.wrap(f"Forecast: {suggestion.forecast.headline}.", 96)]
    lines += ['"""', "", f"_base_ = {json.dumps(base)}", "", *suggestion.config_lines()]
    return "\n".join(lines) + "\n"
