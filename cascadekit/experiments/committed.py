"""The suite's committed numbers of one experiment, for notebooks to show beside their own."""

from __future__ import annotations

import os
from pathlib import Path

from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.layout_tables import paper_table, tables
from cascadekit.experiments.readout import View
from cascadekit.experiments.results import load_results


def committed_tables(name: str, path: str | os.PathLike[str], data: str = "shapes") -> str:
    """An experiment's tables: the paper's, and the suite's over seeds.

    Args:
        name: of the experiment, e.g. "table1".
        path: of the suite's results, docs/reproduction/results.json in the repository.
        data: name of the data set.

    Returns:
        Markdown. Where the file or the experiment's numbers are not there yet, a sentence says so.

    Raises:
        InputError: no such experiment, or the file is of another kind.
    """
    (experiment,) = load_experiments([name]).values()
    file = Path(path)
    missing = f"*No numbers of the suite yet: {file.as_posix()} "
    if not file.is_file():
        return f"{paper_table(experiment).markdown()}\n\n{missing}is not there.*"
    results = load_results(file)
    view = View(results, tuple(d for d in results.data_names() if d == data))
    made = tables(experiment, view)
    text = "\n\n".join(table.markdown() for table in made)
    if len(made) > bool(experiment.paper):
        return text
    return f"{text}\n\n{missing}has none of {name} on {data}.*".lstrip()
