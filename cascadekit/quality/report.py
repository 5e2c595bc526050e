"""A report: sections of findings, pictures and tables, as one HTML file and a json beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cascadekit.errors import InputError
from cascadekit.quality.report_page import page
from cascadekit.quality.tables import Table, as_json
from cascadekit.whole_file import write_json, write_text


@dataclass(frozen=True)
class Picture:
    """A figure with the sentence that stands below it.

    Attributes:
        figure: drawn without pyplot.
        caption: what one sees; also read out where there is no picture.
    """

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Section:
    """One instrument's part of a report.

    Attributes:
        name: letters, digits and "_", for links and for the json.
        title: heading.
        intro: a sentence or two on what is measured and how to read it.
        pictures: may be empty.
        tables: may be empty.
        findings: plain sentences, the most important first; may be empty.
        numbers: all there is, as `as_json` takes it.
        snippet: lines to copy, as of a config; "" without.
        skipped: why the section does not apply to this model or data; "" if it does.
    """

    name: str
    title: str
    intro: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    findings: tuple[str, ...] = ()
    numbers: Any = None
    snippet: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Report:
    """What `write_report` writes.

    Attributes:
        title: heading of the page.
        facts: name -> value, what was measured on what.
        sections: in order.
        notes: sentences that hold for all sections.
    """

    title: str
    facts: dict[str, str]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = field(default=())

    def section(self, name: str) -> Section:
        """The section of a name.

        Args:
            name: of the section.

        Returns:
            It.

        Raises:
            InputError: there is none.
        """
        for each in self.sections:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.sections)
        raise InputError(f"the report has no section {name!r}; it has {known}")

    def as_json(self) -> dict[str, Any]:
        """Findings, tables and numbers of all sections, without pictures."""
        return {
            "title": self.title,
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "sections": {
                each.name: {
                    "title": each.title,
                    "skipped": each.skipped,
                    "findings": list(each.findings),
                    "tables": as_json(each.tables),
                    "snippet": each.snippet,
                    "numbers": as_json(each.numbers),
                }
                for each in self.sections
            },
        }


def write_report(
    report: Report, folder: str | os.PathLike[str], name: str = "report"
) -> tuple[Path, Path]:
    """Write a report as NAME.html, which needs no other file and no network, and NAME.json.

    Args:
        report: with sections of different names.
        folder: made if it is not there; files of the same names are replaced.
        name: of the files, without ending.

    Returns:
        The page and the json.

    Raises:
        InputError: two sections have the same name, or one has other signs in it.
    """
    names = [each.name for each in report.sections]
    for each in names:
        if names.count(each) > 1 or not each.replace("_", "").isalnum():
            raise InputError(
                f"names of sections must be letters, digits and _, each once; got {each!r}"
            )
    target = Path(folder)
    html, numbers = target / f"{name}.html", target / f"{name}.json"
    write_json(numbers, report.as_json(), indent=1)
    write_text(html, page(report))
    return html, numbers
