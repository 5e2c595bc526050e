"""Notebooks in JupyterLab in a real browser: they run, and the viewer follows the keyboard."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from tests.e2e.notebook_page import redraw, run_all, smoke_copy

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ("00_quickstart", "03_cascade_stage_by_stage")
SMALL = """\
from stories import CLASSES, IMAGE, prediction, targets
from cascadekit.visualization import StageViewer

viewer = StageViewer(IMAGE, prediction(masks=True), targets(), CLASSES)
viewer"""
SLOW = """
import time
viewer.stage.observe(lambda change: time.sleep(0.25), "value")"""


def use_viewer(page, name, keep_time, screenshot):
    """Move the slider of the first viewer through the stages and back, and pick an object."""
    viewer = page.locator(".cascadekit-viewer").first
    viewer.scroll_into_view_if_needed()
    picture, table = viewer.locator(".cascadekit-picture"), viewer.locator(".cascadekit-table")
    handle, choice = viewer.locator(".noUi-handle").first, viewer.locator("select")
    last = int(float(handle.get_attribute("aria-valuemax")))

    def press(on, key, what):
        on.focus()
        seen = redraw(page, picture, "keydown", lambda: page.keyboard.press(key))
        keep_time(f"{name}: {what}", seen["milliseconds"])
        return seen["pixels"]

    if table.locator("tr").count():  # the notebook picked one; begin with all of them
        press(choice, "-", "object")
    table.get_by_text("objects").wait_for()
    assert choice.locator("option").count() > 1, "the viewer shows no object"
    if float(handle.get_attribute("aria-valuenow")):
        press(handle, "Home", "slider")
    screenshot(f"{name}_proposals")
    for key, places in (("ArrowRight", range(1, last + 1)), ("ArrowLeft", range(last)[::-1])):
        for place in places:
            pixels = press(handle, key, "slider")
            assert float(handle.get_attribute("aria-valuenow")) == place
            # From the last stage to the final boxes little or nothing moves.
            assert pixels > 20 or last in (place, place + (key == "ArrowLeft")), (key, place)
    assert press(choice, "1", "object") > 20
    table.locator("tr").nth(last + 1).wait_for()
    assert table.locator("tr").count() == last + 2  # a head, the proposals, stages, final
    handle.press("End")
    table.locator("tr[style*='600']", has_text="final").wait_for()  # the slider's line
    screenshot(f"{name}_object")
    inside, around = (part.bounding_box() for part in (table.locator("table"), viewer))
    assert inside["x"] + inside["width"] <= around["x"] + around["width"] + 1, (
        "the table is cut off"
    )
    press(choice, "-", "object")
    table.get_by_text("objects").wait_for()


def all_on_this_machine(requests, address):
    """No request went anywhere but to the server, or to what the page holds itself."""
    assert len(requests) > 10
    own = (address, address.replace("http://", "ws://"), "data:", "blob:")
    assert [url for url in requests if not url.startswith(own)] == []


def run_small(page, lab, name, *more):
    """Write and run a notebook whose prediction is made by hand."""
    address, root = lab
    folder = root / "small"
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "tests" / "visualization" / "stories.py", folder)
    cells = [nbformat.v4.new_code_cell(text) for text in (SMALL, *more)]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / f"{name}.ipynb")
    run_all(page, address, f"small/{name}.ipynb")


def test_a_small_notebook(page, requests, lab, keep_time, screenshot):
    run_small(page, lab, "small")
    use_viewer(page, "small", keep_time, screenshot)
    all_on_this_machine(requests, lab[0])


def test_a_slow_kernel_does_not_turn_the_slider_back(page, lab):
    run_small(page, lab, "slow", SLOW)
    viewer = page.locator(".cascadekit-viewer")
    handle, picture = viewer.locator(".noUi-handle").first, viewer.locator(".cascadekit-picture")
    handle.focus()

    def press_and_wait(keys, name, pause):
        for key in keys:
            page.keyboard.press(key)
            page.wait_for_timeout(pause)
        # The kernel names the place when it has seen it; then it may have more to say.
        viewer.locator("b", has_text=name).wait_for()
        page.wait_for_timeout(1500)
        digest = picture.evaluate("frame => window.redraw.digest(frame)")
        return float(handle.get_attribute("aria-valuenow")), digest

    slowly = press_and_wait(["ArrowRight"] * 3, "stage 3", 500)
    assert slowly[0] == 3
    assert press_and_wait(["Home"], "proposals", 0) != slowly
    quickly = press_and_wait(["ArrowRight"] * 4 + ["ArrowLeft"], "stage 3", 60)
    assert quickly == slowly


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook(name, page, requests, lab, keep_time, screenshot):
    address, root = lab
    smoke_copy(ROOT / "notebooks" / "src" / f"{name}.py", root / "notebooks" / f"{name}.ipynb")
    run_all(page, address, f"notebooks/{name}.ipynb")
    use_viewer(page, name, keep_time, screenshot)
    all_on_this_machine(requests, address)
