"""The quality viewer as a file: it opens without a server and draws what is chosen."""

from __future__ import annotations

import pytest

from cascadekit.visualization import QualityViewer
from tests.visualization.test_quality_viewer import results

pytestmark = pytest.mark.e2e


@pytest.fixture
def opened(page, requests, tmp_path):
    """The page of two detectors; in the end it has asked for nothing else and raised nothing."""
    file, errors = tmp_path / "quality.html", []
    QualityViewer(results(), iou=0.6).to_html(file)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    yield page
    assert errors == []
    assert [url for url in requests if not url.startswith(("file://", "data:"))] == []


def values(page):
    """The third column of the table: what the curves are at the IoU."""
    return page.locator("#table tbody tr td:nth-child(3)").all_inner_texts()


def test_choosing(opened, screenshot):
    curves = opened.locator("#picture polyline.curve")
    # (50 + 40) / 2 and (45 + 40) / 2, by hand.
    assert curves.count() == 2 and values(opened) == ["45.0", "42.5"]
    screenshot("quality_first")
    opened.locator("#iou").focus()
    opened.keyboard.press("ArrowLeft")
    opened.keyboard.press("ArrowLeft")
    assert opened.locator("#at").inner_text() == "0.50" and values(opened) == ["50.0", "45.0"]
    opened.get_by_label("stage 1").check()
    assert curves.count() == 4
    dashes = {line.get_attribute("stroke-dasharray") for line in curves.all()}
    assert len(dashes) == 2  # stages differ by them
    opened.get_by_label("u = 0.6").uncheck()
    colors = {line.get_attribute("stroke") for line in curves.all()}
    assert curves.count() == 2 and len(colors) == 2  # one detector: stages differ by colour
    screenshot("quality_stages")


def test_another_curve_has_its_own_stages(opened):
    opened.locator("#curve").select_option("Histogram")
    assert opened.locator("#stages input").count() == 1
    assert values(opened) == ["30.0"]
    opened.get_by_label("u = 0.5").uncheck()
    assert "no curve is chosen" in opened.locator("#table").inner_text()
