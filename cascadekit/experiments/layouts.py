"""The page of an experiment as tables and figures, by the kinds that its file names."""

from __future__ import annotations

from dataclasses import dataclass

from cascadekit.experiments.experiment import Experiment
from cascadekit.experiments.layout_curves import Drawing, ap_curves, localisation, loss_by_iou
from cascadekit.experiments.layout_pictures import pictures
from cascadekit.experiments.layout_plots import gains, matrix
from cascadekit.experiments.layout_samples import histograms, spread, uncut_table
from cascadekit.experiments.layout_tables import tables
from cascadekit.experiments.readout import View
from cascadekit.quality.tables import Table, number

FIGURES = {
    "pictures": pictures,
    "localisation": localisation,
    "loss_by_iou": loss_by_iou,
    "ap_curves": ap_curves,
    "histograms": histograms,
    "spread": spread,
    "matrix": matrix,
    "gains": gains,
}


@dataclass(frozen=True)
class Page:
    """What an experiment has to show.

    Attributes:
        experiment: whose.
        tables: the paper's first.
        drawings: figures, in the order of the experiment's layouts.
        findings: sentences, e.g. of the suggestion.
        missing: what was planned and is not there, "arm: measure on data".
        empty: nothing of ours is there.
    """

    experiment: Experiment
    tables: tuple[Table, ...]
    drawings: tuple[Drawing, ...]
    findings: tuple[str, ...]
    missing: tuple[str, ...]
    empty: bool


def lay_out(experiment: Experiment, view: View) -> Page:
    """Make the tables and figures of an experiment from whatever results there are.

    Args:
        experiment: which.
        view: of the results; those of other experiments are of no matter.

    Returns:
        The page. Without results it has the paper's table alone.
    """
    made: list[Table] = []
    drawings: list[Drawing] = []
    for kind in experiment.layout:
        if kind in FIGURES:
            drawings += FIGURES[kind](experiment, view)
        elif kind == "table":
            made += tables(experiment, view)
        if kind == "spread":
            made += uncut_table(experiment, view)
        if kind == "suggestion":
            made += suggestion_tables(experiment, view)
    return Page(
        experiment,
        tuple(made),
        tuple(drawings),
        suggestion_findings(experiment, view),
        view.missing(experiment),
        not view.any_result(experiment),
    )


def suggestion_tables(experiment: Experiment, view: View) -> list[Table]:
    """What was suggested, a row per data set and seed."""
    rows = []
    for data in view.data_of(experiment):
        for row in experiment.rows:
            for seed, values in view.values(row, "suggestion", data).items():
                ious = ", ".join(f"{u:g}" for u in values.get("stage_ious", ()))
                stds = "; ".join(
                    ", ".join(number(std, 3) for std in stage)
                    for stage in values.get("delta_stds", ())
                )
                rows.append((data, str(seed), ious, stds))
    if not rows:
        return []
    return [
        Table("What was suggested", ("data", "seed", "stage IoUs", "stds by stage"), tuple(rows))
    ]


def suggestion_findings(experiment: Experiment, view: View) -> tuple[str, ...]:
    """What the proposal-quality report said, of the first seed."""
    found = []
    for data in view.data_of(experiment):
        for row in experiment.rows:
            values = view.values(row, "suggestion", data)
            if values:
                found += [f"{data}: {text}" for text in values[min(values)].get("findings", ())]
    return tuple(found)
