"""Tables and numbers as every instrument gives them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch

from cascadekit.evaluation.stage_table import text_table


@dataclass(frozen=True)
class Table:
    """Rows of text under a header, to be shown in any form.

    Attributes:
        title: one line above.
        header: a name per column; the first column names the rows.
        rows: as many cells as the header in each; may be empty.
        notes: sentences below the table.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Aligned plain text."""
        lines = [text_table(self.title, self.header, self.rows)]
        return "\n".join([*lines, *self.notes])

    def markdown(self) -> str:
        """A GitHub markdown table with its title in bold."""
        lines = [f"**{self.title}**", "", _markdown_row(self.header)]
        lines.append("|---|" + "---:|" * (len(self.header) - 1))
        lines += [_markdown_row(row) for row in self.rows]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])

    def html(self) -> str:
        """A `<table>` with a caption; all text is escaped."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<p class='note'>{html.escape(note)}</p>" for note in self.notes)
        return (
            f"<table><caption>{html.escape(self.title)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"
        )


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def number(value: float, digits: int = 1, signed: bool = False) -> str:
    """A number with so many decimals; "-" for nan."""
    if math.isnan(value):
        return "-"
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def as_json(value: Any) -> Any:
    """A result as plain lists, dicts and numbers; nan becomes None, keys become text.

    Args:
        value: a dataclass, mapping, sequence, array, tensor or plain value, nested at will.

    Returns:
        What `json.dumps(..., allow_nan=False)` takes.

    Raises:
        TypeError: a value of another kind, as a function.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return as_json(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as json")
