"""A training in JupyterLab in a real browser: watched, stopped with the button, gone on with."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.e2e.notebook_page import CONNECTED, RUN_ALL

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SET_UP = f"""\
import os, sys
sys.path.insert(0, {str(ROOT)!r})
os.environ["CASCADEKIT_DATA"] = "data"
import tests.conftest  # registers the tiny backbone
import cascadekit

options = {{"train_cfg.max_iters": 100000, "train_cfg.val_interval": 20}}
options["default_hooks.checkpoint.interval"] = 100000
config = cascadekit.load_config({str(ROOT / "tests" / "tiny.py")!r}, options=options)"""
TRAIN = "cascadekit.train(config, 'run', seed=0)"
GO_ON = """\
from pathlib import Path
(saved,) = Path("run").glob("*.pth")
done = int(saved.stem.removeprefix("interrupted_iter_"))
config.train_cfg.max_iters = done + 3
print("did", cascadekit.train(config, 'run', resume=True).iter - done, "more")"""
RUN_LAST = """() => {
  const content = window.jupyterapp.shell.currentWidget.content;
  content.activeCellIndex = 2;
  window.jupyterapp.commands.execute("notebook:run-cell");
}"""


def test_watch_stop_and_go_on(page, requests, lab, screenshot):
    address, root = lab
    folder = root / "training"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(code) for code in (SET_UP, TRAIN, GO_ON)]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "training.ipynb")
    page.goto(f"{address}/lab/tree/training/training.ipynb?reset", wait_until="domcontentloaded")
    page.wait_for_function(CONNECTED)
    page.evaluate(RUN_ALL)
    progress = page.locator(".cascadekit-training").first
    # Some reports and the first validation have come.
    progress.locator("table", has_text="AP50").wait_for(timeout=180_000)
    progress.locator("img").wait_for()
    first = progress.inner_text()
    page.wait_for_function(
        "([e, old]) => e.innerText !== old", arg=[progress.element_handle(), first]
    )
    screenshot("training_lab_running")
    page.locator("[data-command='notebook:interrupt-kernel'] >> visible=true").first.click()
    page.get_by_text("Training stopped: ").first.wait_for()
    page.wait_for_function("window.finished")
    screenshot("training_lab_stopped")
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()
    (saved,) = (folder / "run").glob("*.pth")
    assert saved.name.startswith("interrupted_iter_")
    page.evaluate(RUN_LAST)
    page.get_by_text("did 3 more").wait_for()
    screenshot("training_lab_resumed")
    own = (address, address.replace("http://", "ws://"), "data:", "blob:")
    assert [url for url in requests if not url.startswith(own)] == []
