"""Tables as the paper has them: its own numbers, and ours in the same rows and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cascadekit.experiments.experiment import Experiment, Row
from cascadekit.experiments.readout import Spread, View, compared, seeds_text
from cascadekit.quality.tables import Table, number


def tables(experiment: Experiment, view: View) -> tuple[Table, ...]:
    """The paper's table, then ours for each data set.

    Args:
        experiment: with columns.
        view: of the results.

    Returns:
        Tables of the same columns. Ours have mean and standard deviation over seeds and, where rows
        are compared, the paired gain and the paper's own.
    """
    ours = [_our_table(experiment, view, data) for data in view.data_of(experiment)]
    printed = [paper_table(experiment)] if experiment.paper else []
    return tuple([*printed, *(table for table in ours if table is not None)])


def paper_table(experiment: Experiment) -> Table:
    """What the paper prints; empty cells where it prints nothing, or nothing was found."""
    rows = [
        (label, *("" if n is None else number(n, experiment.digits) for n in numbers))
        for label, numbers in experiment.paper.items()
    ]
    return Table(f"Paper: {experiment.source}", ("", *experiment.columns), tuple(rows))


def paper_gain(experiment: Experiment, row: Row) -> float:
    """The gain of a row's main column in the paper; nan where it prints not both."""
    place = list(experiment.columns).index(experiment.main_column) if experiment.columns else 0
    numbers = [experiment.paper.get(label) for label in (row.label, row.beside)]
    pair = [None if each is None else each[place] for each in numbers]
    first, second = pair
    if first is None or second is None:
        return math.nan
    return first / second if experiment.gain == "ratio" else first - second


def our_gain(experiment: Experiment, view: View, row: Row, data: str) -> Spread | None:
    """The paired gain of a row's main column."""
    others = [other for other in experiment.rows if other.label == row.beside]
    if not others or not experiment.columns:
        return None
    path = experiment.columns[experiment.main_column]
    pair = [view.spread(r, path, data, experiment.scale) for r in (row, others[0])]
    return compared(*pair, ratio=experiment.gain == "ratio")


def gain_text(value: float, experiment: Experiment) -> str:
    """A gain as people write it: "+2.1", "x 1.28"."""
    if math.isnan(value):
        return ""
    ratio = experiment.gain == "ratio"
    return f"x {value:.2f}" if ratio else number(value, experiment.digits, signed=True)


def _our_table(experiment: Experiment, view: View, data: str) -> Table | None:
    rows = [row for row in experiment.rows if view.planned(row, data)]
    paths = list(experiment.columns.values())
    spreads = {
        row.label: [view.spread(row, path, data, experiment.scale) for path in paths]
        for row in rows
    }
    if not any(cell for cells in spreads.values() for cell in cells):
        return None
    compare = any(row.beside for row in rows)
    first = experiment.main_column
    header = ["", *experiment.columns, *([f"{first} gain", "paper's"] if compare else [])]
    lines = [
        [
            row.label,
            *(_cell(cell, experiment.digits) for cell in spreads[row.label]),
            *(_gain_cells(experiment, view, row, data) if compare else ()),
        ]
        for row in rows
    ]
    counts = [cell.count for cells in spreads.values() for cell in cells if cell is not None]
    notes = [_seeds_note(counts), *_row_notes(rows, spreads, max(counts))]
    if compare:
        notes.append(_gain_note(experiment, rows, first))
    return Table(f"Ours: {data}", tuple(header), tuple(map(tuple, lines)), tuple(notes))


def _cell(cell: Spread | None, digits: int) -> str:
    """As "40.1 ± 0.4"; without "±" for one seed."""
    if cell is None:
        return "-"
    mean = number(cell.mean, digits)
    return mean if cell.count < 2 else f"{mean} ± {number(cell.std, digits)}"


def _gain_cells(experiment: Experiment, view: View, row: Row, data: str) -> tuple[str, str]:
    if not row.beside:
        return "", ""
    gain = our_gain(experiment, view, row, data)
    paper = gain_text(paper_gain(experiment, row), experiment)
    if gain is None:
        return "-", paper
    text = gain_text(gain.mean, experiment)
    digits = 2 if experiment.gain == "ratio" else experiment.digits
    return text if gain.count < 2 else f"{text} ± {number(gain.std, digits)}", paper


def _seeds_note(counts: Sequence[int]) -> str:
    if max(counts) < 2:
        return "One seed, so no spread is known."
    return (
        f"{seeds_text(counts)[:1].upper()}{seeds_text(counts)[1:]}; ± is their standard deviation."
    )


def _row_notes(
    rows: Sequence[Row], spreads: dict[str, list[Spread | None]], most: int
) -> list[str]:
    """Rows that are not there, or have fewer seeds than others."""
    notes = []
    absent = [row.label for row in rows if not any(spreads[row.label])]
    if absent:
        notes.append(f"**Not run yet:** {', '.join(absent)}.")
    fewer = []
    for row in rows:
        counts = [cell.count for cell in spreads[row.label] if cell is not None]
        if counts and max(counts) < most:
            fewer.append(f"{row.label} ({seeds_text([max(counts)])})")
    if fewer:
        notes.append(f"**Fewer seeds than the others:** {', '.join(fewer)}.")
    return notes


def _gain_note(experiment: Experiment, rows: Sequence[Row], first: str) -> str:
    """What gains are over; short where it is one row for all."""
    others = list(dict.fromkeys(row.beside for row in rows if row.beside))
    word = "Factor" if experiment.gain == "ratio" else "Gain"
    if len(others) == 1:
        return f"{word} in {first} over {others[0]}, of the same seed."
    pairs = "; ".join(f"{row.label} over {row.beside}" for row in rows if row.beside)
    return f"{word} in {first}, of the same seed: {pairs}."
