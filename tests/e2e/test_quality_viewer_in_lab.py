"""The quality viewer in JupyterLab in a real browser, moved by keyboard."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from tests.e2e.notebook_page import redraw, run_all

pytestmark = pytest.mark.e2e

MADE = Path(__file__).parents[1] / "visualization" / "test_curve_families.py"
CODE = """\
from test_curve_families import curve, family
from cascadekit.visualization import QualityViewer

stages = (("final", 0), ("stage 1", 8))
curves = [
    curve(y=(60 - less - k, 50 - less, 12 + k), detector=f"u = 0.{5 + k}", stage=stage)
    for k in range(3) for stage, less in stages
]
QualityViewer([family(curves)], iou=0.6)"""


def test_choosing_in_lab(page, requests, lab, keep_time, screenshot):
    address, root = lab
    folder = root / "quality"
    folder.mkdir()
    shutil.copy(MADE, folder)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "quality.ipynb")
    run_all(page, address, "quality/quality.ipynb")
    viewer = page.locator(".cascadekit-quality-viewer")
    handle = viewer.locator(".noUi-handle").first
    assert viewer.locator("table tr").count() == 4  # a head and three detectors
    screenshot("quality_lab_first")
    for _ in range(3):
        handle.focus()
        seen = redraw(page, viewer, "keydown", lambda: page.keyboard.press("ArrowRight"))
        keep_time("quality viewer: slider", seen["milliseconds"])
        assert seen["pixels"] > 20
    viewer.locator("table", has_text="at IoU 0.75").wait_for()
    box = viewer.get_by_label("stage 1")
    box.focus()
    seen = redraw(page, viewer, "keydown", lambda: page.keyboard.press("Space"))
    keep_time("quality viewer: stage", seen["milliseconds"])
    assert seen["pixels"] > 100
    viewer.locator("table tr").nth(6).wait_for()  # a head, three detectors at two stages
    screenshot("quality_lab_stages")
    own = (address, address.replace("http://", "ws://"), "data:", "blob:")
    assert [url for url in requests if not url.startswith(own)] == []
