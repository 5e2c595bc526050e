"""The stage viewer, in the kernel."""

import base64
import io
import itertools

import cv2
import ipywidgets as widgets
import numpy as np
import pytest
from PIL import Image

from cascadekit.errors import InputError
from cascadekit.visualization import StageViewer
from tests.visualization.stories import CLASSES, IMAGE, nothing, prediction, targets


def viewer(**options):
    arguments = dict(targets=targets(), classes=CLASSES, width=300) | options
    return StageViewer(IMAGE, arguments.pop("prediction", prediction()), **arguments)


def pixels(page):
    return cv2.imdecode(np.frombuffer(page.value, np.uint8), cv2.IMREAD_COLOR)


def test_a_page_for_each_stage():
    view = viewer()
    assert (view.stage.min, view.stage.max, len(view.pages)) == (0, 4, 5)
    shown = [pixels(page) for page in view.pages]
    assert {image.shape for image in shown} == {(200, 300, 3)}  # scaled to 300 wide
    # The boxes grow by 10 pixels of the file a stage, the last stage's are the final ones.
    for before, after in itertools.pairwise(shown[:-1]):
        assert np.abs(before.astype(int) - after).max() > 60
    assert np.abs(shown[3].astype(int) - shown[4]).max() < 12


def test_the_slider_turns_the_pages():
    view = viewer()
    names = []
    for stage in range(5):
        view.stage.value = stage
        assert view.picture.selected_index == stage
        names.append(view.stage_name.value)
    assert [n[3:-4] for n in names] == ["proposals", "stage 1", "stage 2", "stage 3", "final"]


def test_an_object_through_the_stages():
    view = viewer()
    assert "2 objects" in view.table.value and view.plot.value == ""
    before = [page.value for page in view.pages]
    view.object.value = 1
    view.stage.value = 2
    table = view.table.value
    # IoU 20/50 to 50/50, three corners' rest: the bottom moves 10 px, a mean of 2.5 over four.
    assert [f"{v:.2f}" in table for v in (0.4, 0.6, 0.8, 1.0)] == [True] * 4
    assert table.count("2.5") >= 3
    # The scores of the stages, and the reported one; a class is never parted from its score.
    assert "dog&nbsp;0.60, cat&nbsp;0.20</td>" in table
    assert "dog&nbsp;0.60</td>" in table
    assert view.plot.value.startswith("<svg") and view.plot.value.count("<circle") == 5
    assert all(page.value != old for page, old in zip(view.pages, before, strict=True))


def test_the_stressed_line_follows_the_slider():
    view = viewer()
    view.object.value = 0
    lines = []
    for stage in range(5):
        view.stage.value = stage
        (line,) = [row for row in view.table.value.split("<tr") if "font-weight:600" in row]
        lines.append(line.split("<td")[1].split(">")[1].split("<")[0])
    assert lines == ["proposals", "stage 1", "stage 2", "stage 3", "final"]


def test_the_score_hides_objects_and_keeps_the_choice():
    view = viewer()
    assert [text for text, _ in view.object.options] == [
        "- all objects -",
        "1: cat 0.90",
        "2: dog 0.60",
    ]
    view.object.value = 0
    view.threshold.value = 0.7
    assert [value for _, value in view.object.options] == [-1, 0]
    assert view.object.value == 0
    view.object.value = -1
    view.threshold.value = 0.95
    assert [value for _, value in view.object.options] == [-1]
    assert "0 objects" in view.table.value
    view.threshold.value = 0.3
    assert len(view.object.options) == 3


def test_a_hidden_choice_falls_back():
    view = viewer()
    view.object.value = 1
    view.threshold.value = 0.7
    assert view.object.value == -1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        # without truth, IoU is measured with the final box
        (dict(targets=None), "IoU with final"),
        # the objects are of other classes: nothing to measure with
        (dict(targets=targets(labels=(1, 0))), "<td"),
        # numbers for names
        (dict(classes=None), "class&nbsp;0&nbsp;0.90"),
    ],
)
def test_less_is_known(options, words):
    view = viewer(**options)
    view.object.value = 0
    assert words in view.table.value


def test_no_reference():
    view = viewer(targets=targets(labels=(1, 0)))
    view.object.value = 0
    assert "no ground truth matches" in view.plot.value


def test_masks_are_on_the_last_page_only():
    plain, masked = viewer(), viewer(prediction=prediction(masks=True))
    same = [a.value == b.value for a, b in zip(plain.pages, masked.pages, strict=True)]
    assert same == [True] * 4 + [False]


def test_nothing_was_found():
    view = viewer(prediction=nothing())
    view.stage.value = 2
    assert "0 objects" in view.table.value
    view.to_png()


def test_one_pixel():
    view = StageViewer(IMAGE[:1, :1], prediction(), width=10)
    assert pixels(view.pages[0]).shape == (10, 10, 3)


def test_a_still_picture_goes_with_it():
    bundle = viewer()._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.size[0] == 900


def test_names_are_escaped():
    view = viewer(classes=("<b>", "dog"))
    view.object.value = 0
    assert "&lt;b&gt;" in view.table.value and "<b>" not in view.table.value


def test_old_ipywidgets_have_tabs(monkeypatch):
    monkeypatch.delattr(widgets, "Stack")
    view = viewer()
    view.stage.value = 3
    assert isinstance(view.picture, widgets.Tab) and view.picture.selected_index == 3


def test_wrong_arguments(tmp_path):
    with pytest.raises(InputError, match="uint8"):
        StageViewer(IMAGE.astype(np.float32), prediction())
    with pytest.raises(InputError, match=r"must end in \.html"):
        viewer().to_html(tmp_path / "page.txt")
    assert not list(tmp_path.iterdir())
