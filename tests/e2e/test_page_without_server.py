"""The viewer as a file: it opens without a server, and does what the viewer in a notebook does."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cascadekit.visualization import StageViewer
from tests.visualization.stories import CLASSES, IMAGE, nothing, prediction, targets

pytestmark = pytest.mark.e2e

# When the page has painted what a key or a choice changed.
WATCH = """event => {
  window.painted = null;
  document.addEventListener(event, e => requestAnimationFrame(() => {
    const channel = new MessageChannel();  // behind the frame's painting
    channel.port1.onmessage = () => { window.painted = performance.now() - e.timeStamp; };
    channel.port2.postMessage(null);
  }), {capture: true, once: true});
}"""


@pytest.fixture
def opened(page, requests, tmp_path):
    """Write a viewer as a page, open it, and see in the end that it asked for nothing else."""

    def open_page(made):
        file = tmp_path / "viewer.html"
        StageViewer(IMAGE, made, targets(), CLASSES, width=600).to_html(file)
        page.goto(file.as_uri())
        return page

    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield open_page
    assert errors == []
    assert [url for url in requests if not url.startswith(("file://", "data:"))] == []
    assert len([url for url in requests if url.startswith("file://")]) == 1


def look(page):
    shot = page.locator("#picture").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def different(before, after):
    return int((np.abs(before - after).sum(2) > 60).sum())


def test_the_slider_and_the_choice(opened, keep_time, screenshot):
    page = opened(prediction(masks=True))
    stage, table = page.locator("#stage"), page.locator("#table")
    stage.focus()
    for k, name in enumerate(("stage 1", "stage 2", "stage 3", "final"), 1):
        before = look(page)
        page.evaluate(WATCH, "keydown")
        page.keyboard.press("ArrowRight")
        page.wait_for_function("window.painted !== null")
        keep_time("page without server: slider", page.evaluate("window.painted"))
        assert stage.input_value() == str(k) and page.locator("#name").inner_text() == name
        assert different(before, look(page)) > 20  # the last step adds the masks
    assert "2 objects" in table.inner_text()
    screenshot("page_all")
    before = look(page)
    page.keyboard.press("Tab")  # from the slider to the objects
    page.keyboard.press("ArrowDown")
    assert page.locator("#object").input_value() == "0"
    assert different(before, look(page)) > 20
    assert table.locator("tr").count() == 6  # a head and five places of the slider
    assert "cat\xa00.90" in table.locator("tr.now").inner_text()
    assert page.locator("#plot circle").count() == 5
    screenshot("page_object")


def test_a_click_picks_the_smallest_box(opened):
    page = opened(prediction())
    page.locator("#stage").fill("4")
    # The picture is four times as large as its file; the dog's final box is 80..130 x 20..70.
    page.locator("#picture").click(position={"x": 4 * 100, "y": 4 * 40})
    assert page.locator("#object").input_value() == "1"
    assert "dog\xa00.60" in page.locator("#table tr.now").inner_text()
    assert "IoU by stage" in page.locator("#plot").inner_text()


def test_the_score_hides_objects(opened):
    page = opened(prediction())
    page.locator("#object").select_option("1")
    page.locator("#score").fill("0.7")
    assert page.locator("#object option").all_inner_texts() == ["all objects", "1: cat 0.90"]
    assert "1 objects" in page.locator("#table").inner_text()
    assert page.locator("#picture rect.hit").count() == 1


def test_nothing_was_found(opened):
    page = opened(nothing())
    page.locator("#stage").press("ArrowRight")
    assert page.locator("#name").inner_text() == "stage 1"
    assert "0 objects" in page.locator("#table").inner_text()
