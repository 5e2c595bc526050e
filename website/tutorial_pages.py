"""The notebooks as pages, with the pictures that are stored in them; nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

from website.repository import ROOT, for_site, links

NOTEBOOKS = ROOT / "notebooks"
# What is shown of an output that has several forms; a widget needs a kernel, its picture does not.
FORMS = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
WIDGET = "application/vnd.jupyter.widget-view+json"
STYLE = re.compile(r"<style scoped>.*?</style>\s*", re.S)  # pandas' own, the site has its tables
INTRODUCTION = """# Tutorials

Each is a notebook with its outputs as they were stored: worth reading before running. To run them,
`make lab` opens the folder in JupyterLab; they need no GPU, no download and no data.

"""


@dataclass(frozen=True)
class Tutorial:
    """A notebook as a page.

    Attributes:
        name: of the notebook, without ending.
        title: its first heading.
        question: the bold sentence of its first cell, or "".
        markdown: the page.
        pictures: file name -> bytes, beside the page in a folder of the notebook's name.
        links: of its text, as they are written there.
    """

    name: str
    title: str
    question: str
    markdown: str
    pictures: dict[str, bytes]
    links: tuple[str, ...]


def notebook_files() -> list[Path]:
    """The notebooks, in order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def tutorial(path: Path) -> Tutorial:
    """Turn a stored notebook into a page.

    Args:
        path: of the .ipynb file.

    Returns:
        The page, and its pictures.

    Raises:
        BrokenLink: a link of its text leads nowhere.
    """
    book = nbformat.read(path, as_version=4)
    book.metadata.pop("widgets", None)
    linked = []
    for cell in book.cells:
        if cell.cell_type == "markdown":
            linked += links(cell.source)
            cell.source = for_site(cell.source, f"tutorials/{path.stem}.md", "notebooks")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.pop(WIDGET, None) is not None:
                data.pop("text/plain", None)
    markdown, pictures = _convert(book, path.stem)
    first = book.cells[0].source
    title = re.search(r"^# (.+)$", first, re.M)
    question = re.search(r"\*\*(.+?\?)\*\*", first, re.S)
    return Tutorial(
        path.stem,
        title[1] if title else path.stem,
        " ".join(question[1].split()) if question else "",
        markdown,
        pictures,
        tuple(linked),
    )


def _convert(book: Any, name: str) -> tuple[str, dict[str, bytes]]:
    settings = Config()
    settings.NbConvertBase.display_data_priority = FORMS
    settings.ExtractOutputPreprocessor.output_filename_template = (
        f"{name}/{{cell_index}}_{{index}}{{extension}}"
    )
    exporter = MarkdownExporter(config=settings)
    text, resources = exporter.from_notebook_node(book)
    return STYLE.sub("", text), dict(resources.get("outputs", {}))


def index_page(tutorials: list[Tutorial]) -> str:
    """The list of notebooks, each with the question that it answers."""
    lines = [f"- [{t.title}]({t.name}.md). {t.question}".rstrip() for t in tutorials]
    return INTRODUCTION + ("\n".join(lines) or "None has been executed yet.") + "\n"
