"""Steps in a notebook that JupyterLab shows: open, run all, find the viewer, move it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from cascadekit.notebooks import read_source, with_budget

RUN_SECONDS = 180  # a smoke budget takes seconds; this is for a busy machine
CONNECTED = """() => {
  const widget = window.jupyterapp?.shell?.currentWidget;
  const kernel = widget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel?.status === "idle";
}"""
RUN_ALL = """() => {
  window.finished = false;
  const done = () => { window.finished = true; };
  window.jupyterapp.commands.execute("notebook:run-all-cells").then(done);
}"""
NOT_RUN = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === "code" && cell.model.sharedModel.source.trim())
  .filter(cell => cell.model.executionCount === null).length"""


def smoke_copy(source: Path, target: Path) -> None:
    """Make a notebook without outputs from its source, with the smoke budget chosen."""
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(with_budget(read_source(source), "smoke"), target)


def run_all(page: Any, address: str, path: str) -> None:
    """Open a notebook, run it to its end, and see that nothing went wrong."""
    page.goto(f"{address}/lab/tree/{path}?reset", wait_until="domcontentloaded")
    page.wait_for_function(CONNECTED)
    page.evaluate(RUN_ALL)
    page.wait_for_function("window.finished", timeout=1000 * RUN_SECONDS)
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0, errors.first.inner_text()
    assert page.evaluate(NOT_RUN) == 0, "cells were not run"


def redraw(page: Any, frame: Any, event: str, act: Callable[[], None]) -> dict[str, float]:
    """Do something, and say how long the picture took to change and by how many pixels.

    Args:
        page: with watch.js in it.
        frame: locator of the element that holds the picture.
        event: the first event of what is done, e.g. "keydown".
        act: does it.

    Returns:
        "milliseconds" from the event to the picture, and how many "pixels" differ.
    """
    element = frame.element_handle()
    page.wait_for_function("frame => window.redraw.ready(frame)", arg=element)
    page.evaluate("([frame, event]) => window.redraw.arm(frame, event)", [element, event])
    act()
    page.wait_for_function("window.redraw.done()", polling="raf")
    return dict(page.evaluate("frame => window.redraw.result(frame)", element))
