"""The reproduction report: pages, ledger and figures, written from results alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cascadekit.errors import InputError, check_word
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.checks import Claim
from cascadekit.experiments.claims import CLAIMS
from cascadekit.experiments.cost_records import FULL_SIZE, read_costs
from cascadekit.experiments.experiment import ORDER, Experiment, load_experiments
from cascadekit.experiments.layouts import Page, lay_out
from cascadekit.experiments.ledger import Ledger, judge
from cascadekit.experiments.readout import View
from cascadekit.experiments.report_ledger import ledger_page
from cascadekit.experiments.report_pages import (
    DATA,
    FIGURES,
    INDEX,
    LEDGER,
    experiment_page,
    index_page,
    page_name,
)
from cascadekit.experiments.results import Result, Results, save_results
from cascadekit.experiments.run_facts import minutes_of, planned_data, run_facts
from cascadekit.experiments.runs import read_json
from cascadekit.experiments.small_files import save_small

REMARKS = "remarks.json"
# Drive letters, or a folder of the system, a home or a project: what a report must not name.
_ABSOLUTE = re.compile(r"(?<![\w/.:-])(?:/|[A-Za-z]:\\)(?:[\w.@+-]+[/\\])+([\w.@+-]+)")


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        folder: of the report.
        pages: laid out, one per experiment.
        ledger: judged.
        files: names of all files, relative to the folder.
    """

    folder: Path
    pages: tuple[Page, ...]
    ledger: Ledger
    files: tuple[str, ...]


def write_report(
    results: Results,
    out: str | Path = "docs/reproduction",
    hardware: str = "",
    costs: str | Path | None = "docs/cost",
    experiments: Mapping[str, Experiment] | None = None,
    claims: Sequence[Claim] = CLAIMS,
) -> Written:
    """Write the whole report: index, a page per experiment, the ledger, figures, and the results.

    Args:
        results: of one budget, from the runs or from a `results.json`; may be empty or partial.
        out: folder; made if it is not there. Figures of earlier reports that are not in this one
            are deleted.
        hardware: what was run on, in words, for the index.
        costs: folder of measured costs at full size (see docs/cost.md); None, or no such folder:
            those in the results, if any.
        experiments: name -> experiment; None: all.
        claims: to judge.

    Returns:
        What was written.

    Raises:
        InputError: the results are of several budgets, or the remarks cannot be read.

    A file `remarks.json` in the folder, written by hand, is kept: claim or experiment -> what there
    is to say on its numbers, e.g. why a claim may not hold at this scale.
    """
    folder = Path(out)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    results = public(with_costs(results, costs))
    budget = _budget(results)
    chosen = load_experiments() if experiments is None else experiments
    kinds = {name: arm.small_data for name, arm in load_arms().items()}
    plan = planned_data(results, kinds) if budget != "full" else None
    view = View(results, _data_names(results), plan)
    ledger = judge(claims, results, view.data, plan)
    remarks = _remarks(folder, [*chosen, *(claim.name for claim in claims)])
    minutes = {name: minutes_of(experiment, results) for name, experiment in chosen.items()}
    pages, files = [], [DATA, INDEX, LEDGER]
    for name, experiment in chosen.items():
        page = lay_out(experiment, view)
        for drawing in page.drawings:
            save_small(drawing.figure, folder / FIGURES / drawing.file)
        verdicts = [v for v in ledger.verdicts if v.claim.name in experiment.claims]
        text = experiment_page(page, verdicts, minutes[name], remarks.get(name, ""))
        _write(folder / page_name(name), text)
        pages.append(page)
        files += [page_name(name), *(f"{FIGURES}/{d.file}" for d in page.drawings)]
    _write(folder / LEDGER, ledger_page(ledger, _pages_of(chosen), remarks))
    facts = run_facts(results)
    text = index_page(pages, ledger, facts, budget, without_paths(hardware), minutes)
    _write(folder / INDEX, text)
    save_results(results, folder / DATA)
    _drop_old_figures(folder, chosen, files)
    return Written(folder, tuple(pages), ledger, tuple(files))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _remarks(folder: Path, known: Sequence[str]) -> dict[str, str]:
    """What people wrote about claims and experiments; empty without the file."""
    file = folder / REMARKS
    if not file.is_file():
        return {}
    said = read_json(file)
    if not isinstance(said, dict) or not all(isinstance(text, str) for text in said.values()):
        raise InputError(f"{file}: expected a dict of texts, by claim or experiment")
    # Those of experiments that are not in this report are no mistake.
    everything = [*known, *ORDER, *(claim.name for claim in CLAIMS)]
    for name in said:
        check_word(f"{REMARKS}: a name", name, everything)
    return said


def _budget(results: Results) -> str:
    """The one budget of all results; "" without any."""
    found = sorted({r.budget for r in results.results if r.data != FULL_SIZE})
    if len(found) > 1:
        raise InputError(
            f"a report is on one budget, but these results are of {', '.join(found)}: read those "
            "of one with results_of_runs(ROOT, BUDGET)"
        )
    return found[0] if found else ""


def _data_names(results: Results) -> tuple[str, ...]:
    """Drawn data first, then photos, then costs at full size."""
    order = {"shapes": 0, FULL_SIZE: 2}
    return tuple(sorted(results.data_names(), key=lambda name: (order.get(name, 1), name)))


def _pages_of(experiments: Mapping[str, Experiment]) -> dict[str, list[tuple[str, str]]]:
    """Claim -> (title, file) of the experiments that bear on it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, experiment in experiments.items():
        for claim in experiment.claims:
            found.setdefault(claim, []).append((experiment.title, page_name(name)))
    return found


def with_costs(results: Results, folder: str | Path | None) -> Results:
    """Results with the costs at full size, which no run of the suite measures.

    Args:
        results: of runs; costs that they have are replaced.
        folder: of json files; None, or not there: the results as they are.

    Returns:
        The results, costs at the end.
    """
    if folder is None or not Path(folder).is_dir():
        return results
    costs = tuple(
        Result(arm, FULL_SIZE, "full", 0, "cost", values)
        for arm, values in read_costs(folder).items()
    )
    kept = tuple(r for r in results.results if r.data != FULL_SIZE)
    return replace(results, results=(*kept, *costs))


def public(results: Results) -> Results:
    """Results as they are committed: small, and without places of this machine.

    Stored pictures are the same for all arms and seeds: their pixels stay with the first arm, and
    pictures of one seed are enough.

    Args:
        results: of any kind.

    Returns:
        A copy; of itself it gives the same again.
    """
    first: dict[tuple[str, str], int] = {}
    for r in results.results:
        if r.measure == "pictures":
            first[r.arm, r.data] = min(r.seed, first.get((r.arm, r.data), r.seed))
    kept, seen = [], set()
    for r in results.results:
        values = _cleaned(r.values)
        if r.measure == "pictures":
            if r.seed != first[r.arm, r.data]:
                continue
            values = [_slim(p, (r.data, i), seen) for i, p in enumerate(values)]
        kept.append(replace(r, values=values))
    return Results(tuple(kept), tuple(_cleaned(run) for run in results.runs))


def _slim(picture: Mapping[str, Any], place: tuple[str, int], seen: set[tuple[str, int]]) -> Any:
    """A picture without its pixels, where they have been kept already."""
    if place in seen:
        return {key: value for key, value in picture.items() if key != "jpeg"}
    if picture.get("jpeg"):
        seen.add(place)
    return picture


def _cleaned(value: Any) -> Any:
    """Nested values with absolute paths cut to their last part."""
    if isinstance(value, Mapping):
        return {k: v if k == "jpeg" else _cleaned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return without_paths(value) if isinstance(value, str) else value


def without_paths(text: str) -> str:
    """Text with absolute paths cut to their last part."""
    return _ABSOLUTE.sub(r"\1", text)


def _drop_old_figures(
    folder: Path, experiments: Mapping[str, Experiment], files: Sequence[str]
) -> None:
    """Delete figures of these experiments that this report does not show."""
    for file in (folder / FIGURES).iterdir():
        known = file.stem.split("_")[0] in experiments
        if known and file.suffix in (".png", ".jpg") and f"{FIGURES}/{file.name}" not in files:
            file.unlink()
