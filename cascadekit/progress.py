"""A bar for loops that take a while, in terminals and logs; in a notebook there is none.

Rich draws its bar in a notebook as a widget that captures output, which can stall a notebook that
is executed without a browser, and which would be stored as noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich import progress
from rich.console import Console

Item = TypeVar("Item")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    return Console().is_jupyter


def track(
    items: Iterable[Item],
    description: str = "Working",
    total: float | None = None,
    quiet: bool = False,
) -> Iterator[Item]:
    """Go through items and show how far it is.

    Args:
        items: to go through.
        description: what is being done.
        total: how many there are; None: `len(items)`, if it has one.
        quiet: show nothing.

    Yields:
        Item: each of them.
    """
    if quiet or in_notebook():
        yield from items
        return
    yield from progress.track(items, description, total)
