"""Reports as files: one page that needs nothing else, and its numbers."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.report import Picture, Report, Section, write_report
from cascadekit.quality.tables import Table
from cascadekit.visualization.plots import new_plots


class Page(HTMLParser):
    """What a page refers to and says."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.ids, self.text, self.open = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [(tag, key, values[key]) for key in ("src", "href") if key in values]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


def check_page(text: str) -> Page:
    """A page that is whole and asks nobody for anything."""
    page = Page(text)
    assert not page.open
    for tag, key, value in page.links:
        inside = value.startswith("#") and value[1:] in page.ids
        assert inside or value.startswith("data:"), (tag, key, value[:80])
        if tag == "img":
            kind, data = value.split(",", 1)
            assert kind == "data:image/png;base64"
            assert base64.b64decode(data)[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(set(page.ids)) == len(page.ids)
    assert not re.search(r"https?://|url\(|@import|<script", text)
    return page


@pytest.fixture
def report():
    figure, (axis,) = new_plots(["a plot"])
    axis.plot([0, 1], [0, 1])
    table = Table("A & B", ("", "x"), (("first <row>", "1.0"),), ("note",))
    full = Section(
        "recall",
        "Recall <by> stage",
        "What it is.",
        (Picture(figure, 'A "plot"'),),
        (table,),
        ("One.", "Two.", "Three & a half."),
        {"mean": np.array([1.0, np.nan]), 3: "x"},
        "u = 0.5  # <u>",
    )
    empty = Section("swap", "Swap", "Intro.", skipped="the model has no RPN")
    return Report("Of <a model>", {"data": "six & more"}, (full, empty), ("A note.",))


def test_a_page(report, tmp_path):
    html, _ = write_report(report, tmp_path / "new" / "folder")
    text = html.read_text(encoding="utf-8")
    page = check_page(text)
    assert page.ids == ["top", "recall", "swap"]
    for words in ("Of <a model>", "six & more", "Recall <by> stage", "first <row>", "A note."):
        assert words in page.text
    # Findings come before the contents, and link to their section.
    assert page.text.index("One.") < page.text.index("Contents") < page.text.index("What it is.")
    assert ("a", "href", "#recall") in page.links
    assert text.count("Three &amp; a half.") == 2 and "1 more" in page.text
    assert "Not here: the model has no RPN" in page.text and "Swap (not here)" in page.text
    assert "u = 0.5  # <u>" in page.text
    assert 'alt="A &quot;plot&quot;"' in text


def test_numbers(report, tmp_path):
    _, numbers = write_report(report, tmp_path, "other")
    assert numbers == tmp_path / "other.json"
    read = json.loads(numbers.read_text())
    assert read["facts"] == {"data": "six & more"} and read["notes"] == ["A note."]
    assert list(read["sections"]) == ["recall", "swap"]
    recall = read["sections"]["recall"]
    assert recall["numbers"] == {"mean": [1.0, None], "3": "x"}
    assert recall["tables"][0]["rows"] == [["first <row>", "1.0"]]
    assert read["sections"]["swap"]["skipped"] == "the model has no RPN"
    assert {f.name for f in tmp_path.iterdir()} == {"other.html", "other.json"}


def test_nothing_is_found(tmp_path):
    html, _ = write_report(Report("Empty", {}, ()), tmp_path)
    assert "too little to say" in check_page(html.read_text()).text


def test_sections_by_name(report):
    assert report.section("swap").title == "Swap"
    with pytest.raises(InputError, match="no section 'x'; it has recall, swap"):
        report.section("x")


@pytest.mark.parametrize("names", [("a", "a"), ("a b",), ("",), ('"',)])
def test_names_that_are_no_anchors(names, tmp_path):
    sections = tuple(Section(name, "t", "i") for name in names)
    with pytest.raises(InputError, match="names of sections"):
        write_report(Report("t", {}, sections), tmp_path)
    assert not list(tmp_path.iterdir())
