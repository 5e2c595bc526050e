"""The doctor's report: a table for the terminal, one HTML file, and a json beside it."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cascadekit.doctor.examination import Examination
from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Example, Finding, plural
from cascadekit.doctor.thumbnails import thumbnail
from cascadekit.quality.report_page import STYLE, data_uri
from cascadekit.whole_file import write_json, write_text

COLORS = {ERROR: "#b3261e", WARNING: "#9a6700", NOTE: "#57606a"}
INK = {ERROR: "bold red", WARNING: "yellow", NOTE: "dim"}
COLUMNS = ("severity", "where")
INDENT = 4
NAMED = 2  # examples that the terminal names
HEADINGS = {
    ERROR: "Errors: training stops, or learns something wrong",
    WARNING: "Warnings: training runs, and is likely the worse for it",
    NOTE: "Notes: worth knowing",
}
OWN_STYLE = """
.finding { border-left: 4px solid #d8dee4; padding: 2px 0 4px 14px; margin: 18px 0; }
.finding h3 { margin: 0; font-size: 1em; }
.finding .what { margin: .2em 0; max-width: 58em; overflow-wrap: anywhere; }
.finding .fix { margin: .2em 0; color: #57606a; max-width: 58em; overflow-wrap: anywhere; }
.tag { font-size: .82em; font-weight: 600; padding: 1px 7px; border-radius: 9px; color: #fff; }
.check { color: #57606a; font: .85em ui-monospace, monospace; margin-left: 6px; }
.examples { display: flex; flex-wrap: wrap; gap: 10px; margin: 8px 0; }
.examples figure { margin: 0; width: 220px; }
.examples figcaption { font-size: .78em; overflow-wrap: anywhere; line-height: 1.3; }
.count { font-variant-numeric: tabular-nums; }
"""


def print_findings(result: Examination, console: Console | None = None) -> None:
    """Print what was found, the worst first, each with what to do.

    Args:
        result: of `examine`.
        console: to print on; None: the standard output.
    """
    console = console or Console()
    for name, value in result.facts.items():
        console.print(f"{name}: {value}", markup=False, highlight=False, soft_wrap=True)
    wide = {key: max((len(getattr(f, key)) for f in result.findings), default=0) for key in COLUMNS}
    for finding in result.findings:
        head = Text("\n" + finding.severity.ljust(wide["severity"]), style=INK[finding.severity])
        head.append(f"  {finding.where.ljust(wide['where'])}  {finding.check}", style="default")
        console.print(head)
        lines = [Text(finding.what)]
        if finding.examples:
            lines.append(Text(f"e.g. {_words(finding)}", style="dim"))
        if finding.fix:
            lines.append(Text(f"-> {finding.fix}", style="dim"))
        for line in lines:
            console.print(Padding(line, (0, 0, 0, INDENT), expand=False))
    console.print()
    console.print(result.headline, style="bold", highlight=False)


def _words(finding: Finding) -> str:
    """The first examples in a line."""
    shown = [f"{e.path} ({e.what})" if e.what else e.path for e in finding.examples[:NAMED]]
    return "; ".join(shown)


def write_page(result: Examination, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write doctor.html, which needs no other file and no network, and doctor.json.

    Args:
        result: of `examine`.
        folder: made if it is not there; files of the same names are replaced.

    Returns:
        The page and the json.
    """
    target = Path(folder)
    html, numbers = target / "doctor.html", target / "doctor.json"
    write_json(numbers, result.as_json(), indent=1)
    write_text(html, page(result))
    return html, numbers


def page(result: Examination) -> str:
    """The whole page.

    Args:
        result: of `examine`.

    Returns:
        HTML without links to anything; thumbnails are inlined.
    """
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in result.facts.items()
    )
    parts = [
        _family(result, severity)
        for severity in (ERROR, WARNING, NOTE)
        if any(f.severity == severity for f in result.findings)
    ]
    tables = "".join(f'<div class="wide">{table.html()}</div>' for table in result.tables)
    plots = "".join(
        f'<figure><img src="{data_uri(plot.figure)}" alt="{escape(plot.caption)}">'
        f"<figcaption>{escape(plot.caption)}</figcaption></figure>"
        for plot in result.plots
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>Doctor</title><link rel="icon" href="data:,">'
        f"<style>{STYLE}{OWN_STYLE}</style></head>\n"
        f'<body><main><h1>Doctor: {escape(result.headline)}</h1>\n<dl class="facts">{facts}</dl>\n'
        f"{''.join(parts)}<section><h2>Numbers</h2>{tables}{plots}</section></main></body></html>\n"
    )


def _family(result: Examination, severity: str) -> str:
    found = [f for f in result.findings if f.severity == severity]
    body = "".join(_finding(f) for f in found)
    return f"<section><h2>{HEADINGS[severity]}</h2>{body}</section>\n"


def _finding(finding: Finding) -> str:
    color = COLORS[finding.severity]
    fix = f'<p class="fix">What to do: {escape(finding.fix)}</p>' if finding.fix else ""
    repair = f'<p class="fix">With --fix: {escape(finding.repair)}</p>' if finding.repair else ""
    examples = "".join(_example(example) for example in finding.examples)
    shown = plural(len(finding.examples), "example")
    if finding.count > len(finding.examples):
        shown += f", {finding.count} in all"
    more = (
        f'<details open><summary>{shown}</summary><div class="examples">{examples}</div></details>'
    )
    return (
        f'<div class="finding" style="border-color:{color}"><h3>'
        f'<span class="tag" style="background:{color}">{escape(finding.where)}</span>'
        f'<span class="check">{escape(finding.check)}</span></h3>'
        f'<p class="what">{escape(finding.what)}</p>{fix}{repair}{more if examples else ""}</div>\n'
    )


def _example(example: Example) -> str:
    """A thumbnail with the name of its file; the name alone where nothing can be shown."""
    uri = thumbnail(example)
    name = escape(Path(example.path).name)
    words = f"<b>{name}</b>" + (f"<br>{escape(example.what)}" if example.what else "")
    image = f'<img src="{uri}" alt="{name}">' if uri else ""
    return (
        f'<figure title="{escape(example.path)}">{image}<figcaption>{words}</figcaption></figure>'
    )
