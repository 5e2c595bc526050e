"""Costs as tables: a row per model like the paper's Table 6, and where the time goes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import MARKDOWN, SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table

from cascadekit.cost.measure import ModelCost

COLUMNS = ("parameters", "MB", "GFLOP", "s / image", "s / step", "MB to predict", "MB to train")


def cost_rows(costs: Sequence[ModelCost]) -> list[dict[str, Any]]:
    """Costs as plain dicts, ready for json, with the sums written out."""
    return [
        {
            **asdict(cost),
            "gflops": cost.gflops,
            "seconds": cost.seconds,
            "megabytes": cost.megabytes,
        }
        for cost in costs
    ]


def base_of(cost: ModelCost, costs: Sequence[ModelCost]) -> ModelCost | None:
    """The measured model that a cascade is made of: the same name without "cascade_".

    Where no name fits (mask strategies), the last model before it that is no cascade.
    """
    if "cascade" not in cost.name:
        return None
    named = [other for other in costs if other.name == cost.name.replace("cascade_", "")]
    before = [c for c in costs[: costs.index(cost)] if "cascade" not in c.name]
    return (named or before or [None])[-1]


def _numbers(cost: ModelCost) -> tuple[float | None, ...]:
    return (
        cost.parameters / 1e6,
        cost.megabytes,
        cost.gflops,
        cost.seconds,
        cost.step_seconds,
        cost.predict_mb,
        cost.step_mb,
    )


def _shown(number: float | None) -> str:
    if number is None:
        return "-"
    return (
        f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"
    )


def cost_tables(costs: Sequence[ModelCost], box: Box = SIMPLE_HEAD) -> list[Table]:
    """Two tables: what each model costs, cascades beside their base; and the parts' share.

    Args:
        costs: in the order of the rows.
        box: rich's frame.

    Returns:
        The tables.
    """
    whole = Table("model", "input", box=box, title="cost per picture")
    for column in COLUMNS:
        whole.add_column("parameters / 1e6" if column == "parameters" else column, justify="right")
    for cost in costs:
        size = f"{cost.size[0]} x {cost.size[1]}"
        whole.add_row(cost.name, size, *map(_shown, _numbers(cost)))
        base = base_of(cost, costs)
        if base is not None:
            pairs = zip(_numbers(cost), _numbers(base), strict=True)
            ratios = [f"x {a / b:.2f}" if a is not None and b else "-" for a, b in pairs]
            whole.add_row(f"  beside {base.name}", "", *ratios)
    # Whoever has most parts gives the order; what only others have comes last.
    by_length = sorted(costs, key=lambda cost: len(cost.parts), reverse=True)
    names = list(dict.fromkeys(part.name for cost in by_length for part in cost.parts))
    shares = Table("model", box=box, title="where it goes: seconds (GFLOP)")
    for name in names:
        shares.add_column(name, justify="right")
    for cost in costs:
        parts = {part.name: part for part in cost.parts}
        cells = [
            f"{parts[name].seconds:.2f} ({parts[name].gflops:.0f})" if name in parts else ""
            for name in names
        ]
        shares.add_row(cost.name, *cells)
    return [whole, shares]


def cost_text(costs: Sequence[ModelCost]) -> str:
    """The tables as markdown, for docs."""
    console = Console(width=400, file=io.StringIO(), record=True)
    for table in cost_tables(costs, MARKDOWN):
        table.title = None
        console.print(table)
    lines = [line.strip() for line in console.export_text().splitlines()]
    return "\n".join(lines).strip() + "\n"
