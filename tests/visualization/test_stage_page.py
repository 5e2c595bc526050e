"""The viewer as a page: self-contained, and its data is what the viewer shows."""

import json
import re

import pytest

from cascadekit.visualization import StageViewer
from tests.visualization.stories import CLASSES, IMAGE, nothing, prediction, targets


def page_of(tmp_path, made=None, **options):
    path = tmp_path / "deep" / "page.html"
    StageViewer(IMAGE, made or prediction(**options), targets(), CLASSES, width=300).to_html(path)
    return path.read_text(encoding="utf-8")


def data_of(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.S)[1])


def test_the_page_needs_nothing_else(tmp_path):
    page = page_of(tmp_path)
    assert "{{" not in page
    links = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)""", page)
    assert all(link.startswith("data:") for link in links)
    assert not re.search(r"\bimport\b|\bfetch\(|XMLHttpRequest|@import|url\(", page)
    outside = set(re.findall(r"https?://[^\s\"'<>]+", page))
    assert outside <= {"http://www.w3.org/2000/svg"}  # a name, never opened


def test_the_data(tmp_path):
    data = data_of(page_of(tmp_path))
    assert data["stages"] == ["proposals", "stage 1", "stage 2", "stage 3", "final"]
    assert (data["size"], data["scale"], data["masked"]) == ([300, 200], 2, None)
    cat, dog = data["objects"]
    assert (cat["name"], cat["score"]) == ("cat", pytest.approx(0.9))
    assert cat["boxes"][0] == [10, 10, 60, 30] and cat["truth"] == [10, 10, 60, 60]
    assert dog["table"].count("<tr>") == 6 and dog["plot"].count("<circle") == 5
    assert data["picture"].startswith("data:image/jpeg;base64,")


def test_masks(tmp_path):
    data = data_of(page_of(tmp_path, masks=True))
    assert data["masked"] not in (None, data["picture"])


def test_nothing_was_found(tmp_path):
    data = data_of(page_of(tmp_path, nothing()))
    assert data["objects"] == []


def test_a_name_cannot_end_the_script(tmp_path):
    path = tmp_path / "page.html"
    evil = ("</script><script>alert(1)</script>", "<!--")
    StageViewer(IMAGE, prediction(), targets(), evil, width=300).to_html(path)
    page = path.read_text(encoding="utf-8")
    assert page.count("</script>") == 2 and "<!--" not in page
    assert data_of(page)["objects"][0]["name"] == evil[0]
