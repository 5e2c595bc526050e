"""The pages of the report: one for each experiment, and the index over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cascadekit.experiments.layouts import Page
from cascadekit.experiments.ledger import ClaimVerdict, Ledger, plural, short, where
from cascadekit.experiments.progress import duration
from cascadekit.experiments.run_facts import RunFacts
from cascadekit.experiments.statistics import VERDICTS
from cascadekit.quality.tables import Table

FIGURES = "figures"
LEDGER = "ledger.md"
DATA = "results.json"
INDEX = "index.md"


def page_name(experiment: str) -> str:
    """The file of an experiment's page."""
    return f"{experiment}.md"


def experiment_page(
    page: Page, claims: Sequence[ClaimVerdict], minutes: float, remark: str = ""
) -> str:
    """One experiment: question, numbers of the paper and ours, figures, verdicts.

    Args:
        page: laid out.
        claims: those that the experiment bears on.
        minutes: of the trainings and measurements behind it; 0 where not known.
        remark: what people wrote about the numbers; "" for nothing.

    Returns:
        Markdown; figures are linked.
    """
    e = page.experiment
    parts = [f"# {e.title}", f"[All experiments]({INDEX}) · {_first_upper(e.source)}.", e.question]
    if page.empty:
        parts.append("**Not run.** The numbers below are the paper's alone.")
    elif page.missing:
        parts.append("**Partial:** some of what belongs here was not run; see the end of the page.")
    if claims:
        parts += ["## Verdicts", _claim_lines(claims)]
    if remark:
        parts += ["## Remark, written after the results", remark]
    shown = [f"![{d.name}]({FIGURES}/{d.file})\n\n*{d.caption}*" for d in page.drawings]
    if shown:
        parts += ["## Figures", *shown]
    if page.tables:
        parts += ["## Numbers", *(table.markdown() for table in page.tables)]
    if page.findings:
        parts += ["## Findings", "\n".join(f"- {text}" for text in page.findings)]
    parts += ["## What is different at this scale", e.note or "Nothing was noted."]
    if minutes:
        parts.append(
            f"The trainings and measurements behind this page take {duration(minutes)} of one "
            "process's time; other pages share many of them."
        )
    if page.missing:
        parts += ["## Not run", "\n".join(f"- {text}" for text in page.missing)]
    return "\n\n".join(parts) + "\n"


def _claim_lines(claims: Sequence[ClaimVerdict]) -> str:
    return "\n".join(
        f"- [{c.claim.name}]({LEDGER}#{c.claim.name.lower()}) {c.claim.statement} "
        f"**{_first_upper(c.verdict)}**{where(c)}."
        for c in claims
    )


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def index_page(
    pages: Sequence[Page],
    ledger: Ledger,
    facts: RunFacts,
    budget: str,
    hardware: str,
    minutes: Mapping[str, float],
) -> str:
    """The first page.

    Args:
        pages: of all experiments.
        ledger: judged.
        facts: of the trainings.
        budget: "smoke", "small" or "full"; "" without results.
        hardware: in words; "" where nobody said.
        minutes: experiment -> minutes; 0 where not known.

    Returns:
        Markdown.
    """
    counts = "; ".join(f"{ledger.count(v)} {plural(v)}" for v in VERDICTS)
    parts = [
        "# Reproduction of Cascade R-CNN",
        "The paper's tables and figures (Cai and Vasconcelos, *Cascade R-CNN: High Quality Object "
        "Detection and Instance Segmentation*) as cascadekit reproduces them, and what of its "
        "claims holds at this scale. The margins of the claims stand in the code with their "
        "reasons, and its history says when they were written.",
        f"Of {len(ledger.verdicts)} claims: {counts}.",
        "## What was run",
        _facts(facts, budget, hardware),
        "## Claims",
        _claims_table(ledger),
        f"Statements, margins, numbers and intervals: [ledger]({LEDGER}).",
        "## Experiments",
        _experiments_table(pages, minutes),
    ]
    missing = _missing(pages)
    if missing:
        parts += ["## Not run", missing]
    parts += [
        "## Where the numbers are",
        f"[{DATA}]({DATA}) holds all measures of all runs; this report is written from it alone:",
        "```python\n"
        "from cascadekit.experiments.report import write_report\n"
        "from cascadekit.experiments.results import load_results\n\n"
        'folder = "docs/reproduction"\n'
        f'write_report(load_results(f"{{folder}}/{DATA}"), folder)\n'
        "```",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(facts: RunFacts, budget: str, hardware: str) -> str:
    low, high = facts.iterations
    steps = f"{low}" if low == high else f"{low} to {high}"
    lines = [
        f"Budget: {budget or 'none'}",
        f"Trainings: {facts.trainings}" + (f", of {steps} iterations" if high else ""),
        f"Time: {duration(facts.minutes)} of one process for all trainings and measurements"
        + (f" ({_threads(facts.threads)} each)" if facts.threads else ""),
        f"Hardware: {hardware or 'not stated'}",
        f"Code: {', '.join(facts.versions) or 'not known'}",
    ]
    if facts.packages:
        lines.append(f"With: {', '.join(facts.packages)}")
    for data, seeds in facts.seeds.items():
        content = facts.contents.get(data)
        mark = f", fingerprint {content}" if content else ", drawn by the package"
        lines.append(f"Data: {data}{mark}; seeds {', '.join(map(str, seeds))}")
    return "\n".join(f"- {line}" for line in lines)


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _claims_table(ledger: Ledger) -> str:
    """A row per claim, a column per data set."""
    data = list(dict.fromkeys(p.data for each in ledger.verdicts for p in each.by_data))
    rows = []
    for each in ledger.verdicts:
        by_data = {part.data: part.verdict for part in each.by_data}
        link = f"[{each.claim.name}]({LEDGER}#{each.claim.name.lower()})"
        cells = [short(by_data[name]) if name in by_data else "" for name in data]
        rows.append((link, each.claim.statement, _overall(each), *cells))
    header = ("", "claim", "verdict", *data)
    table = Table("claims", header, tuple(rows)).markdown()
    # The title says what the heading said; statements are text, so they go to the left.
    lines = table.splitlines()[2:]
    lines[1] = "|---|---|---|" + "---|" * len(data)
    return "\n".join(lines)


def _overall(each: ClaimVerdict) -> str:
    return f"**{each.verdict}**" if each.by_data else "not run"


def _experiments_table(pages: Sequence[Page], minutes: Mapping[str, float]) -> str:
    lines = ["| page | question | state | minutes |", "|---|---|---|---:|"]
    for page in pages:
        e = page.experiment
        state = "not run" if page.empty else "partial" if page.missing else "complete"
        spent = minutes.get(e.name, 0.0)
        shown = f"{spent:.0f}" if spent and not page.empty else ""
        lines.append(f"| [{e.title}]({page_name(e.name)}) | {e.question} | {state} | {shown} |")
    lines += ["", "Minutes are of one process; many trainings serve several experiments."]
    return "\n".join(lines)


def _missing(pages: Sequence[Page]) -> str:
    """What is not there, by experiment."""
    lines = []
    for page in pages:
        if not page.empty and not page.missing:
            continue
        if page.missing:
            needed = "; ".join(page.missing)
        else:
            needs = page.experiment.measures()
            needed = "; ".join(f"{arm}: {', '.join(names)}" for arm, names in needs.items())
        state = "not run" if page.empty else "partial"
        lines.append(f"- {page.experiment.title} ({state}), missing: {needed}")
    return "\n".join(lines)
