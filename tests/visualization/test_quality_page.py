"""The quality viewer as a page: self-contained, and its data is what the viewer shows."""

import json
import re

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.visualization import QualityViewer
from cascadekit.visualization.plots import LINE_COLORS, STAGE_COLORS
from tests.visualization.test_curve_families import curve, family
from tests.visualization.test_quality_viewer import results


def page_of(tmp_path, families, iou=0.75):
    path = tmp_path / "deep" / "page.html"
    QualityViewer(families, iou=iou).to_html(path)
    return path.read_text(encoding="utf-8")


def data_of(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.S)[1])


def test_the_page_needs_nothing_else(tmp_path):
    page = page_of(tmp_path, results())
    assert "{{" not in page
    assert not re.search(r"""(?:src|href)\s*=""", page)
    assert not re.search(r"\bimport\b|\bfetch\(|XMLHttpRequest|@import|url\(", page)
    outside = set(re.findall(r"https?://[^\s\"'<>]+", page))
    assert outside <= {"http://www.w3.org/2000/svg"}  # a name, never opened


def test_the_data(tmp_path):
    data = data_of(page_of(tmp_path, results(), iou=0.6))
    assert (data["ious"][0], data["ious"][-1], len(data["ious"])) == (0.5, 0.95, 10)
    assert data["ious"][data["start"]] == 0.6
    assert data["detectors"][1] == {"name": "u = 0.6", "color": LINE_COLORS[1]}
    ap, histogram = data["families"]
    assert [stage["name"] for stage in ap["stages"]] == ["final", "stage 1"]
    assert ap["stages"][1]["color"] == STAGE_COLORS[0]
    assert (ap["steps"], histogram["steps"]) == (False, True)
    first = ap["curves"][0]
    assert (first["x"], first["y"]) == ([0.5, 0.7, 0.9], [50, 40, 10])
    # Half way, at a point, and beyond the last.
    assert [first["values"][k][0] for k in (2, 4, 9)] == [45, 40, None]
    assert histogram["curves"][0]["values"][2][0] == 30  # 20 + 10 from 0.6 on
    assert all(low <= 0.5 and high >= 0.8 for low, high in (ap["x"], histogram["x"]))
    assert ap["y"][0] == 0 and ap["y"][1] > 50


@pytest.mark.parametrize("one", [curve((), ()), curve(y=(np.nan,) * 3), curve((0.7,), (3.0,))])
def test_little_is_known(tmp_path, one):
    (found,) = data_of(page_of(tmp_path, [family([one])]))["families"]
    assert len(found["curves"]) == 1


def test_a_name_cannot_end_the_script(tmp_path):
    evil = "</script><script>alert(1)</script><!--"
    page = page_of(tmp_path, [family([curve(detector=evil)])])
    assert page.count("</script>") == 2 and "<!--" not in page
    assert data_of(page)["detectors"][0]["name"] == evil


def test_another_ending(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.html"):
        QualityViewer(results()).to_html(tmp_path / "page.txt")
    assert not list(tmp_path.iterdir())
