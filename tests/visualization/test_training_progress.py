"""The live picture of a training, in the kernel."""

import base64

import cv2
import numpy as np
import pytest

from cascadekit.engine import TrainingReport
from cascadekit.visualization.training_progress import TrainingProgress, spell_seconds


class Clock:
    """Seconds that only pass when we say so."""

    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


def report(iteration, **changes):
    losses = {"loss": 2.5, "rpn.loss_cls": 0.25, "stage1.loss_cls": 0.5, "stage1.loss_bbox": 0.125}
    ious = {1: (0.6, 0.71)}
    return TrainingReport(
        iteration, 200, 0.5, 0.001, **({"losses": losses, "ious": ious} | changes)
    )


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(clock):
    made = TrainingProgress(clock)
    made.start(0, 200)
    return made


def test_before_it_begins(clock):
    assert "reading data" in TrainingProgress(clock).status.value


def test_after_some_reports(progress):
    for k in (1, 2, 40):
        progress.report(report(k))
    assert (progress.bar.value, progress.bar.max) == (40, 200)
    # 160 iterations of half a second
    for words in ("<b>40</b> of 200", "1 min 20 s left", "0.50 s each", "1.0e-03"):
        assert words in progress.status.value
    table = progress.losses.value
    for words in ("loss <b>2.500", "proposals", "stage 1", "0.125", "0.600 → 0.710", "box loss"):
        assert words in table
    assert "mask loss" not in table and table.count("<tr>") == 3
    assert progress.scores.value == ""


def test_a_stage_without_positives_and_a_mask_loss(progress):
    progress.report(report(1, losses={"loss": 1.0, "stage3.loss_mask": 0.75}, ious={}))
    assert "mask loss" in progress.losses.value and "0.750" in progress.losses.value
    assert "→" not in progress.losses.value


def test_names_of_another_project_are_only_text(progress):
    progress.report(report(1, losses={"<b>.loss_cls": 1.0}, ious={}))
    assert "&lt;b&gt;" in progress.losses.value


def test_the_plot_is_drawn_now_and_then(progress, clock):
    assert progress.plot.layout.display == "none"
    progress.report(report(1))
    first = progress.plot.value
    assert progress.plot.layout.display is None
    clock.now += 1.9
    progress.report(report(2))
    assert progress.plot.value == first
    clock.now += 0.2
    progress.report(report(3, losses={"loss": 9.0}))
    assert progress.plot.value != first


def test_drawing_takes_a_fiftieth_of_the_time(clock, monkeypatch):
    progress = TrainingProgress(clock)

    def slow(history, title="", width=0):
        clock.now += 1.0  # a drawing takes a second here
        return figure

    from cascadekit.visualization import training_progress
    from cascadekit.visualization.canvas import new_figure

    figure = new_figure(10, 10)
    monkeypatch.setattr(training_progress, "plot_training", slow)
    progress.report(report(1))
    drawn = clock.now
    clock.now += 49
    progress.report(report(2))
    assert clock.now == drawn + 49
    clock.now += 2
    progress.report(report(3))
    assert clock.now == drawn + 52


def test_validations(progress):
    for k in range(1, 9):
        progress.validated(20 * k, {"coco/bbox_AP": k / 10, "coco/segm_AP50": 0.125})
    table = progress.scores.value
    assert table.count("<tr>") == 7  # the last six
    for words in ("box AP", "mask AP50", "80.0", "12.5", ">160<"):
        assert words in table
    assert ">40<" not in table
    progress.validated(180, {"something": 1.0})  # another metric
    assert ">180<" not in progress.scores.value


@pytest.mark.parametrize(
    ("how", "style", "words"),
    [
        ("finished", "success", "finished: 200 iterations in 2 min 5 s"),
        ("stopped: 3 of 200, a<b", "warning", "stopped: 3 of 200, a&lt;b"),
        ("failed: no data", "danger", "failed: no data"),
    ],
)
def test_the_end(progress, clock, how, style, words):
    progress.report(report(199))
    clock.now += 124
    progress.validated(199, {"coco/bbox_AP": 0.5})  # draws
    before = progress.plot.value
    clock.now += 1
    progress.report(report(200, losses={"loss": 9.0}))
    assert progress.plot.value == before
    progress.ended(how)
    assert progress.bar.bar_style == style and progress.status.value == words
    assert progress.plot.value != before  # the last report is in it


@pytest.mark.parametrize(
    ("done", "words"),
    [(150, "finished: 50 of 200 iterations in 3 s"), (200, "finished: 0 of 200 iterations in 3 s")],
)
def test_the_end_of_a_training_that_went_on(clock, done, words):
    progress = TrainingProgress(clock)
    progress.start(done, 200)
    if done < 200:
        progress.report(report(200))
    clock.now += 3
    progress.ended("finished")
    assert progress.status.value == words


def picture(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_a_still_picture_goes_along(progress):
    progress.report(report(1))
    bundle = progress._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    still = picture(base64.b64decode(data["image/png"]))
    assert still.shape == (250, 960, 3) and still.std() > 5
    assert picture(TrainingProgress().to_png()).shape == (30, 960, 3)  # nothing reported yet


def test_the_end_replaces_what_was_displayed(progress, monkeypatch):
    shown = []

    class Handle:
        def update(self, what):
            shown.append(what)

    monkeypatch.setattr("IPython.display.display", lambda what, display_id: Handle())
    progress.show()
    progress.report(report(1))
    assert shown == []
    progress.ended("finished")
    assert shown == [progress]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-1, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s")),
        *((3600, "1:00:00 h"), (100000, "1 day, 3:46:40 h")),
    ],
)
def test_spelling_seconds(seconds, text):
    assert spell_seconds(seconds) == text
