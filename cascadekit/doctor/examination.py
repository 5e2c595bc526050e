"""START HERE for the doctor: read every split, look at every picture, ask all checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmengine import Config

from cascadekit.doctor.anchors import anchor_findings
from cascadekit.doctor.annotations import annotation_findings
from cascadekit.doctor.classes import class_findings, class_table
from cascadekit.doctor.duplicates import duplicate_findings
from cascadekit.doctor.finding import SEVERITIES, Finding, count_of, plural, worst_first
from cascadekit.doctor.machine import machine_findings
from cascadekit.doctor.measured import measured_quality
from cascadekit.doctor.picture_checks import picture_findings
from cascadekit.doctor.pictures import PictureState, look_at_all
from cascadekit.doctor.positives import positive_findings
from cascadekit.doctor.raw_set import RawSet
from cascadekit.doctor.sampled import Sampled, sample_training
from cascadekit.doctor.schedule import schedule_findings
from cascadekit.doctor.splits import raw_sets
from cascadekit.errors import InputError
from cascadekit.quality.report import Picture
from cascadekit.quality.tables import Table, as_json


@dataclass(frozen=True)
class Examination:
    """What the doctor found.

    Attributes:
        facts: name -> value, what was looked at.
        findings: the worst first.
        tables: numbers behind them.
        plots: with a checkpoint.
        sets: the splits, as they are written.
        states: of their files, by path.
    """

    facts: dict[str, str]
    findings: tuple[Finding, ...]
    tables: tuple[Table, ...]
    plots: tuple[Picture, ...]
    sets: tuple[RawSet, ...]
    states: Mapping[str, PictureState]

    @property
    def worst(self) -> str:
        """The worst severity there is; "" where nothing was found."""
        return self.findings[0].severity if self.findings else ""

    @property
    def headline(self) -> str:
        """How many of each."""
        counts = [(count_of(self.findings, s), s) for s in SEVERITIES]
        return ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in counts)

    def as_json(self) -> dict[str, Any]:
        """Facts, findings and tables, without pictures."""
        return {
            "facts": dict(self.facts),
            "findings": [finding.as_json() for finding in self.findings],
            "tables": as_json(self.tables),
        }


def examine(
    config: Config,
    *,
    checkpoint: str | None = None,
    sample: int = 200,
    max_pictures: int | None = None,
    device: str | None = None,
) -> Examination:
    """Look for trouble in the data and settings of a training, before it.

    Cost: every picture is decoded once; everything else is linear in the annotations.

    Args:
        config: of `load_config`.
        checkpoint: measure its proposals as well.
        sample: training pictures that are put through the pipeline, for anchors and positives.
        max_pictures: decode only the first so many of each split; None: all.
        device: that will be trained on; None: a GPU if there is one.

    Returns:
        All findings.

    Raises:
        InputError: a number below 1, or a checkpoint that does not fit the config.
    """
    if sample < 1 or (max_pictures is not None and max_pictures < 1):
        raise InputError(f"expected 1 picture or more, got {sample} and {max_pictures}")
    sets = raw_sets(config)
    states = look_at_all([p.path for own in sets for p in own.pictures[:max_pictures]])
    findings: list[Finding] = []
    sizes = {path: state.size for path, state in states.items()}
    for own in sets:
        findings += own.findings
        findings += picture_findings(own, states)
        findings += annotation_findings(own, sizes)
    findings += class_findings(config, sets)
    findings += duplicate_findings(sets, states)
    sampled = _sampled(config, sample)
    findings += sampled.findings
    tables = [class_table(sets)]
    for find in (anchor_findings, positive_findings):
        more, shown = find(config, sampled)
        findings += more
        tables += shown
    findings += schedule_findings(config, sampled.num_pictures)
    findings += machine_findings(config, sampled, device)
    plots: list[Picture] = []
    if checkpoint is not None:
        more, shown, plots = measured_quality(config, checkpoint, sample, device)
        findings += more
        tables += shown
    return Examination(
        facts=_facts(config, sets, states, sampled),
        findings=worst_first(findings),
        tables=tuple(tables),
        plots=tuple(plots),
        sets=sets,
        states=states,
    )


def _sampled(config: Config, count: int) -> Sampled:
    return Sampled() if config.get("train_dataloader") is None else sample_training(config, count)


def _facts(
    config: Config, sets: tuple[RawSet, ...], states: Mapping[str, PictureState], sampled: Sampled
) -> dict[str, str]:
    facts = {"Config": str(config.filename)}
    for own in sets:
        objects = sum(not o.region for p in own.pictures for o in p.objects)
        name = own.role.capitalize()
        counts = f"{plural(len(own.pictures), 'picture')}, {plural(objects, 'object')}"
        words = f"{own.source}: {counts}"
        facts[name] = f"{facts[name]}; {words}" if name in facts else words
    piped = plural(len(sampled.infos), "training picture")
    facts["Looked at"] = f"{plural(len(states), 'file')}, {piped} after the pipeline"
    return facts
