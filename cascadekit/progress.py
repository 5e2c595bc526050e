"""A bar for loops that take a while: in a terminal, and as one passing line in a notebook."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich import progress
from rich.console import Console

Item = TypeVar("Item")
PAUSE = 0.5  # seconds between two lines in a notebook; shorter loops show none


def track(
    items: Iterable[Item],
    description: str = "Working",
    total: float | None = None,
    disable: bool = False,
) -> Iterator[Item]:
    """Go through items and show how far it is.

    Args:
        items: to go through.
        description: what is being done.
        total: how many there are; None: `len(items)`, if it has one.
        disable: show nothing.

    Yields:
        Item: each of them. In a notebook the line is gone afterwards. Rich's own bar is not used
        there: it is a widget of ipywidgets that can stall a notebook that runs without a browser.
    """
    if disable or not Console().is_jupyter:
        yield from progress.track(items, description, total, disable=disable)
        return
    from IPython.display import HTML, display

    if total is None and hasattr(items, "__len__"):
        total = len(items)
    of = "" if total is None else f" of {total:g}"
    line: Any = None
    shown = time.monotonic()
    try:
        for number, item in enumerate(items):
            yield item
            if time.monotonic() - shown < PAUSE:
                continue
            shown, text = time.monotonic(), HTML(f"{description}: {number + 1}{of}")
            if line is None:
                line = display(text, display_id=True)
            else:
                line.update(text)
    finally:
        if line is not None:
            line.update(HTML(""))
