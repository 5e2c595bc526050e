"""The HTML of a report: one file, readable on a phone, that asks nobody for anything."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cascadekit.visualization.plots import figure_pixels

if TYPE_CHECKING:
    from cascadekit.quality.report import Picture, Report, Section

FIRST = 2  # findings of a section that are shown at the top; the others fold
SHARP = 1.5  # pixels of a picture per figure pixel
WIDEST = 1200  # pixels; wide figures, which hold photos, get no sharper than this
NARROW = 600  # pixels; plots are not shrunk below, they scroll

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1f2328;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 20px 16px 60px; }
h1 { font-size: 1.7em; line-height: 1.25; margin: .3em 0 .5em; }
h2 { font-size: 1.3em; margin: 0 0 .3em; }
h3 { font-size: 1em; margin: .9em 0 .1em; }
a { color: #0072B2; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0 0 1em;
  font-size: .93em; }
.facts dt { color: #57606a; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.findings { background: #f3f8fc; border-left: 4px solid #0072B2; padding: 12px 18px;
  border-radius: 0 6px 6px 0; }
.findings ul, .own { margin: .2em 0; padding-left: 1.2em; }
.findings li, .own li { margin: .25em 0; }
.findings li a { text-decoration: none; white-space: nowrap; }
summary { cursor: pointer; color: #57606a; font-size: .93em; }
nav { margin: 1.5em 0; font-size: .93em; }
nav ol { columns: 18em; margin: .3em 0; padding-left: 1.6em; }
section { border-top: 1px solid #d8dee4; margin-top: 34px; padding-top: 22px; }
.intro { color: #57606a; margin: 0 0 .8em; max-width: 46em; }
.skipped { background: #fff8e6; border-left: 4px solid #E69F00; padding: 8px 14px; }
figure { margin: 18px 0; }
.wide { overflow-x: auto; }
figcaption { color: #57606a; font-size: .88em; max-width: 52em; margin-top: 4px; }
img { display: block; max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: .88em; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 10px 0 6px; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid #eaeef2; }
th { color: #57606a; font-weight: 600; border-bottom-color: #afb8c1; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td { white-space: nowrap; }
pre { background: #f6f8fa; padding: 10px 14px; overflow-x: auto; font-size: .85em; }
.note { color: #57606a; font-size: .85em; margin: .4em 0; max-width: 56em; }
.top { font-size: .85em; }
"""


def page(report: Report) -> str:
    """The whole page: title, findings with links, contents, sections.

    Args:
        report: its sections' names are the anchors.

    Returns:
        HTML without links to anything but itself; pictures are inlined as PNG.
    """
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.facts.items()
    )
    contents = "".join(
        f'<li><a href="#{s.name}">{escape(s.title)}</a>{" (not here)" if s.skipped else ""}</li>'
        for s in report.sections
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in report.notes)
    body = "".join(_section(section) for section in report.sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(report.title)}</title><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head>\n"
        f'<body><main id="top"><h1>{escape(report.title)}</h1>\n<dl class="facts">{facts}</dl>\n'
        f"{_findings(report)}\n{notes}"
        f'<nav aria-label="Contents"><b>Contents</b><ol>{contents}</ol></nav>\n'
        f"{body}</main></body></html>\n"
    )


def _findings(report: Report) -> str:
    """The findings of all sections; of each the first few at once, the others folded."""
    parts = []
    for section in report.sections:
        if not section.findings:
            continue
        link = f' <a href="#{section.name}" aria-label="to {escape(section.title)}">&rarr;</a>'
        items = [f"<li>{escape(text)}{link}</li>" for text in section.findings]
        more = ""
        if rest := items[FIRST:]:
            more = f"<details><summary>{len(rest)} more</summary><ul>{''.join(rest)}</ul></details>"
        shown = "".join(items[:FIRST])
        parts.append(f"<h3>{escape(section.title)}</h3><ul>{shown}</ul>{more}")
    if not parts:
        parts.append("<p>None: there is too little to say anything about.</p>")
    return f'<div class="findings"><h2>Findings</h2>{"".join(parts)}</div>'


def _section(section: Section) -> str:
    """One section: what it is, what was found, pictures, tables."""
    parts = [f'<section id="{section.name}"><h2>{escape(section.title)}</h2>']
    parts.append(f'<p class="intro">{escape(section.intro)}</p>')
    if section.skipped:
        parts.append(f'<p class="skipped">Not here: {escape(section.skipped)}</p>')
    if section.findings:
        items = "".join(f"<li>{escape(text)}</li>" for text in section.findings)
        parts.append(f'<ul class="own">{items}</ul>')
    parts += [_picture(picture) for picture in section.pictures]
    parts += [f'<div class="wide">{table.html()}</div>' for table in section.tables]
    if section.snippet:
        parts.append(f"<pre>{escape(section.snippet)}</pre>")
    parts.append('<p class="top"><a href="#top">back to the findings</a></p></section>\n')
    return "".join(parts)


def _picture(picture: Picture) -> str:
    """A figure with its caption; narrow screens scroll it."""
    width, height = figure_pixels(picture.figure)
    least = min(width, NARROW)
    caption = escape(picture.caption)
    return (
        f'<figure><div class="wide"><img src="{data_uri(picture.figure)}" alt="{caption}" '
        f'width="{width}" height="{height}" style="min-width:{least}px"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def data_uri(figure: Figure) -> str:
    """A figure as an inlined PNG."""
    stream = io.BytesIO()
    sharp = min(SHARP, max(1.0, WIDEST / figure_pixels(figure)[0]))
    figure.savefig(stream, format="png", dpi=figure.dpi * sharp, metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
