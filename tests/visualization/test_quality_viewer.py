"""The quality viewer, in the kernel."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cascadekit.errors import InputError
from cascadekit.visualization import QualityViewer
from cascadekit.visualization.curve_families import CurveFamily
from tests.visualization.test_curve_families import curve, family


def results():
    """Two detectors at two stages each, and a second kind of curve with a stage of its own."""
    ap = [
        curve(y=(50 - 5 * d, 40 - 5 * s, 10 + d), detector=f"u = 0.{5 + d}", stage=stage)
        for d in range(2)
        for s, stage in enumerate(("final", "stage 1"))
    ]
    shares = curve((0.5, 0.6, 0.7, 0.8), (30, 20, 10), "u = 0.5", "stage 2")
    histogram = CurveFamily(
        "Histogram", "IoU", "samples (%)", (shares,), ("stage 2",), kind="steps"
    )
    return [family(ap), histogram]


def pixels(view):
    return np.asarray(Image.open(io.BytesIO(view.picture.value)).convert("RGB")).astype(int)


def differs(before, view):
    after = pixels(view)
    return before.shape == after.shape and np.abs(before - after).max() > 60


def test_what_is_shown_at_first():
    view = QualityViewer(results())
    assert [(c.detector, c.stage) for c in view.shown()] == [
        ("u = 0.5", "final"),
        ("u = 0.6", "final"),
    ]
    assert pixels(view).shape == (430, 620, 3)
    assert {name: box.value for name, box in view.stages.items()} == {
        "final": True,
        "stage 1": False,
        "stage 2": False,
    }
    assert view.stages["stage 2"].disabled and not view.stages["stage 1"].disabled


@pytest.mark.parametrize(
    "change",
    [
        lambda view: setattr(view.detectors["u = 0.6"], "value", False),
        lambda view: setattr(view.stages["stage 1"], "value", True),
        lambda view: setattr(view.iou, "value", 0.6),
        lambda view: setattr(view.curve, "value", "Histogram"),
    ],
)
def test_another_choice_is_another_picture(change):
    view = QualityViewer(results())
    picture, table = pixels(view), view.table.value
    change(view)
    assert differs(picture, view) and view.table.value != table


def test_back_to_a_choice_gives_the_same_bytes_without_drawing(monkeypatch):
    view = QualityViewer(results())
    before = view.picture.value
    view.iou.value = 0.6
    monkeypatch.setattr(view._plot, "png", None)  # would raise
    view.iou.value = 0.75
    assert view.picture.value == before


def test_another_iou_draws_the_marks_alone_and_right(monkeypatch):
    """The same as from scratch, though the curves are not drawn again."""
    view, fresh = QualityViewer(results()), QualityViewer(results(), iou=0.85)
    monkeypatch.setattr(view._plot, "_draw", None)  # would raise
    for iou in (0.6, 0.95, 0.85):  # at 0.95 there is no point to mark
        view.iou.value = iou
    assert view.picture.value == fresh.picture.value


def test_each_curve_keeps_its_stages():
    view = QualityViewer(results())
    view.stages["stage 1"].value = True
    view.curve.value = "Histogram"
    assert [c.stage for c in view.shown()] == ["stage 2"]
    assert view.stages["final"].disabled and view.stages["stage 2"].value
    view.curve.value = "AP"
    assert [c.stage for c in view.shown()] == ["final", "stage 1", "final", "stage 1"]


def test_nothing_is_chosen():
    view = QualityViewer(results())
    for box in view.detectors.values():
        box.value = False
    assert view.shown() == () and "<td" not in view.table.value


def test_the_table_has_the_values_at_the_iou_best_first():
    view = QualityViewer(results(), iou=0.6)
    view.stages["stage 1"].value = True
    rows = [row for row in view.table.value.split("<tr>") if "<td" in row]
    values = [row.split("<td")[3].split(">")[1].split("<")[0] for row in rows]
    # (50 + 40) / 2, then (45 + 40) / 2 and (50 + 35) / 2, then (45 + 35) / 2.
    assert values == ["45.0", "42.5", "42.5", "40.0"]
    view.iou.value = 0.95  # beyond the last point
    assert view.table.value.count(">-<") == 4


def test_names_are_escaped():
    view = QualityViewer([family([curve(detector="<b>$x$")])])
    assert "&lt;b&gt;" in view.table.value and "<b>$" not in view.table.value


@pytest.mark.parametrize(
    "one",
    [
        curve((), ()),  # no points
        curve(y=(np.nan,) * 3),
        curve((0.7,), (3.0,)),  # one point
        curve(low=(np.nan,) * 3, high=(np.nan,) * 3),
    ],
)
@pytest.mark.parametrize("diagonal", [False, True])
def test_little_is_known(one, diagonal):
    assert QualityViewer([family([one], diagonal=diagonal)]).to_png().startswith(b"\x89PNG")


def test_a_family_without_curves():
    view = QualityViewer([family([])])
    assert not view.detectors and view.shown() == ()


def test_a_still_picture_goes_with_it():
    view = QualityViewer(results())
    bundle = view._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]) == view.picture.value


@pytest.mark.parametrize(
    ("given", "iou", "words"),
    [
        ([], 0.75, "one or more families"),
        ([family([]), family([])], 0.75, "another name"),
        ([family([])], 0.4, "iou must be from 0.5 to 0.95, got 0.4"),
    ],
)
def test_mistakes(given, iou, words):
    with pytest.raises(InputError, match=words):
        QualityViewer(given, iou=iou)
