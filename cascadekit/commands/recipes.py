"""Print the three recipes side by side."""

from __future__ import annotations

import argparse

DESCRIPTION = """Print what the recipes paper, mmdet and detectron2 set, side by side.

A config chooses one by model.recipe (or --cfg-options model.recipe=mmdet of train, test, predict);
each setting can also be written alone and then wins. docs/differences.md says what each means.

Examples:
  cascadekit recipes         # what differs
  cascadekit recipes --all   # also what is the same in all three"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--all", action="store_true", help="also settings that are all the same")


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from cascadekit.models.recipes import RECIPES, side_by_side

    table = Table(box=SIMPLE_HEAD)
    table.add_column("model.", no_wrap=True)
    for name in RECIPES:
        table.add_column(name, no_wrap=True)
    for key, values in side_by_side():
        shown = [_text(value) for value in values]
        if args.all or len(set(shown)) > 1:
            table.add_row(key, *shown)
    width = None if Console().is_terminal else 120  # a pipe has no width of its own
    Console(width=width).print(table)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
