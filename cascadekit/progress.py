"""A bar for loops that take a while, in terminals and logs; in a notebook there is none.

Rich draws its bar in a notebook as a widget that captures output, which can stall a notebook that
is executed without a browser, and which would be stored as noise.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mmengine.logging import MMLogger
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


@contextmanager
def quiet_in_notebook() -> Iterator[None]:
    """Keep the log's information out of a notebook, where paths of one machine would be stored.

    Warnings and errors are shown. Outside of notebooks this does nothing.
    """
    if not in_notebook():
        yield
        return
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
