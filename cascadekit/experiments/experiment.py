"""One experiment: a table or figure of the paper, its rows, and what they are read from.

The files are `configs/experiments/NAME.py`, plain literals. A row names an arm (a detector, see
`configs/experiments/arms.py`) and, for each measure it needs, the path in that measure:
`{"Cascade R-CNN": dict(arm="cascade", scores="final/bbox")}`.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cascadekit.errors import InputError, check_word, did_you_mean

FOLDER = Path(__file__).parents[1] / "configs" / "experiments"
ARMS_FILE = "arms.py"  # the detectors, which is no experiment
ROW_WORDS = ("arm", "panel", "beside", "given")  # what a row says that is no measure
# Tables and figures first as the paper has them, then what it has not.
ORDER = (
    *("fig1", "fig2", "fig4", "fig5", "fig7a", "fig7b", "fig8", "fig9a", "fig9b"),
    *("table1", "table2", "table3", "table4", "table6", "table7", "table8", "table9", "table10"),
    *("table11", "suggestion", "cost", "table12", "table13", "table14"),
)
LAYOUTS = (
    *("pictures", "localisation", "loss_by_iou", "ap_curves", "histograms", "spread", "matrix"),
    *("gains", "suggestion", "table"),
)


@dataclass(frozen=True)
class Row:
    """One row of a table, or one line of a figure.

    Attributes:
        label: as the paper calls it.
        arm: the detector it is read from.
        reads: measure -> path in it, "" for all of it.
        panel: title of the plot that the line is in; "" where there is one plot.
        beside: label of the row that this one is compared with; "" for none.
        given: True where no run measures the arm: its numbers come with the documentation.
    """

    label: str
    arm: str
    reads: Mapping[str, str]
    panel: str = ""
    beside: str = ""
    given: bool = False


@dataclass(frozen=True)
class Experiment:
    """What one file of `configs/experiments` says.

    Attributes:
        name: of the file, without its ending.
        title: of the page.
        source: where in the paper.
        question: what it is to answer, one or two sentences.
        rows: in the paper's order; those that only the paper has are in `paper` alone.
        layout: kinds of tables and figures, each one of `LAYOUTS`.
        columns: header -> path below the row's own.
        counts: header of the column in which rows are compared; "": the first.
        paper: row label -> printed numbers, one per column, None where not known.
        scale: what our numbers are multiplied with to be in the paper's unit.
        digits: decimals of the cells.
        gain: how a row is compared with the one that it is beside, "difference" or "ratio".
        claims: ids of the ledger that this experiment bears on.
        data: names of the data sets of the small budget.
        note: what is different at the small budget.
    """

    name: str
    title: str
    source: str
    question: str
    rows: tuple[Row, ...]
    layout: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    counts: str = ""
    paper: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    scale: float = 100.0
    digits: int = 1
    gain: str = "difference"
    claims: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    note: str = ""

    @property
    def main_column(self) -> str:
        """Header of the column in which rows are compared; "" where there are no columns."""
        return self.counts or next(iter(self.columns), "")

    def measures(self) -> dict[str, tuple[str, ...]]:
        """Arm -> the measures that runs have to take for the rows, without repetition."""
        found: dict[str, dict[str, None]] = {}
        for row in self.rows:
            if row.given:
                continue
            found.setdefault(row.arm, {}).update(dict.fromkeys(row.reads))
        return {arm: tuple(names) for arm, names in found.items()}


def load_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read one file.

    Args:
        path: of a python file of plain literals with the keys of `Experiment`; `arms` has the
            rows, and `columns` may be a list where header and path are the same.

    Returns:
        The experiment.

    Raises:
        InputError: a key is missing or unknown, a layout unknown, a row without an arm, a row
            compared with one that is not there, or as many numbers of the paper as there are no
            columns; the message names the file.
    """
    file = Path(path)
    if not file.is_file():
        near = [p.stem for p in sorted(file.parent.glob("*.py"))]
        raise InputError(f"no experiment {file.stem!r}.{did_you_mean(file.stem, near)}")
    said = {k: v for k, v in runpy.run_path(str(file)).items() if not k.startswith("_")}
    known = {f for f in Experiment.__dataclass_fields__ if f not in ("name", "rows")} | {"arms"}
    for key in said:
        if key not in known:
            raise InputError(f"{file.name}: no key {key!r} here.{did_you_mean(key, known)}")
    for key in ("title", "source", "question", "arms", "layout"):
        if key not in said:
            raise InputError(f"{file.name}: {key} is missing")
    rows = tuple(_row(file.name, label, row) for label, row in said.pop("arms").items())
    columns = said.pop("columns", {})
    columns = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    paper = {label: tuple(numbers) for label, numbers in said.pop("paper", {}).items()}
    plain = {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in said.items()}
    found = Experiment(name=file.stem, rows=rows, columns=columns, paper=paper, **plain)
    _check(file.name, found)
    return found


def _row(file: str, label: str, said: Mapping[str, Any]) -> Row:
    if "arm" not in said:
        raise InputError(f"{file}: row {label!r} names no arm")
    reads = {key: path for key, path in said.items() if key not in ROW_WORDS}
    words = {key: said[key] for key in ROW_WORDS if key in said}
    return Row(label, reads=reads, **words)


def _check(file: str, experiment: Experiment) -> None:
    """Raise where a file contradicts itself."""
    check_word(f"{file}: gain", experiment.gain, ("difference", "ratio"))
    for layout in experiment.layout:
        check_word(f"{file}: layout", layout, LAYOUTS)
    if experiment.counts:
        check_word(f"{file}: the column that counts", experiment.counts, experiment.columns)
    labels = [row.label for row in experiment.rows]
    for row in experiment.rows:
        if row.beside:
            check_word(f"{file}: what row {row.label!r} is beside", row.beside, labels)
    for label, numbers in experiment.paper.items():
        if len(numbers) != len(experiment.columns):
            raise InputError(
                f"{file}: the paper's row {label!r} has {len(numbers)} numbers, but there are "
                f"{len(experiment.columns)} columns"
            )


def load_experiments(names: Sequence[str] | None = None) -> dict[str, Experiment]:
    """Read the experiments that ship with the package.

    Args:
        names: which; None: all.

    Returns:
        Name -> experiment, in the paper's order.

    Raises:
        InputError: there is no such experiment, or a file is wrong.
    """
    known = [p.stem for p in sorted(FOLDER.glob("*.py")) if p.name != ARMS_FILE]
    known.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    for name in names or ():
        check_word("experiment", name, known)
    return {n: load_experiment(FOLDER / f"{n}.py") for n in known if names is None or n in names}
