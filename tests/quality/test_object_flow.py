"""Objects followed from stage to stage, worked out by hand."""

import numpy as np
import pytest

from cascadekit.quality.error_types import classify_detections
from cascadekit.quality.object_flow import (
    LEVELS,
    REASONS,
    column_label,
    compute_object_flow,
    plot_object_flow,
)
from tests.quality import makers

MARKS = (0.5, 0.75)


def at(x, height=10):
    """A box of 10 x `height` at x; its IoU with the object there is height / 10."""
    return [x, 0.0, x + 10, float(height)]


def flow_of(images, choices=("1", "2"), score=0.3, most=3):
    recording = makers.recording(images, ("a", "b"), final=choices[-1])
    errors = {
        c: {t: [classify_detections(r.detections[c], r.truth, t) for r in images] for t in MARKS}
        for c in choices
    }
    return compute_object_flow(recording, errors, MARKS, score, most)


def six_objects():
    """One row of objects, each with a story: kept, tightened, loosened, found, lost, never."""
    first = makers.found(
        [at(0, 9), at(20, 6), at(40, 8), at(60, 4), at(80, 6)], scores=[0.9, 0.8, 0.7, 0.6, 0.5]
    )
    second = makers.found(
        [at(0, 9), at(20, 9), at(40, 7), at(60, 8), at(80, 6)], scores=[0.9, 0.8, 0.7, 0.6, 0.2]
    )
    rois = makers.stage([at(0, 9), at(20, 6), at(40, 5), at(60, 4), at(80, 6)])
    objects = makers.truth([at(x) for x in range(0, 120, 20)])
    return makers.image(objects, [rois, rois], {"1": first, "2": second}, size=(20, 120))


def test_levels():
    flow = flow_of([six_objects()])
    assert flow.columns == ("proposals", "1", "2")
    names = [[LEVELS[level] for level in column] for column in flow.levels]
    assert names == [
        ["tight", "loose", "loose", "missed", "loose", "missed"],
        ["tight", "loose", "tight", "missed", "loose", "missed"],
        ["tight", "tight", "loose", "tight", "missed", "missed"],
    ]
    np.testing.assert_allclose(flow.ious[1], [0.9, 0.6, 0.8, 0.4, 0.6, 0])
    np.testing.assert_allclose(flow.ious[2], [0.9, 0.9, 0.7, 0.8, 0, 0])
    assert flow.images.tolist() == [0] * 6 and flow.rows.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_transition():
    step = flow_of([six_objects()]).transitions[1]
    assert (step.before, step.after) == ("1", "2")
    # Rows: missed, loose, tight at stage 1.
    assert step.table == ((1, 0, 1), (1, 0, 1), (0, 1, 1))
    assert [step.count(c) for c in ("found", "tightened", "loosened", "lost")] == [1, 1, 1, 1]
    assert (step.up, step.down) == (2, 2)
    rows = {change: [e.row for e in chosen] for change, chosen in step.examples.items()}
    assert rows == {"found": [3], "tightened": [1], "loosened": [2], "lost": [4]}
    (lost,) = step.examples["lost"]
    assert (lost.image, lost.before, lost.after) == (0, pytest.approx(0.6), 0)


def test_examples_are_those_that_changed_most():
    def pair(before, after):
        objects = makers.truth([at(0)])
        chosen = {"1": makers.found([at(0, before)]), "2": makers.found([at(0, after)])}
        return makers.image(objects, [makers.stage([at(0, 6)])], chosen)

    images = [pair(6, 8), pair(5, 9), pair(7, 7.6), pair(9, 9)]
    chosen = flow_of(images, most=2).transitions[1].examples["tightened"]
    assert [e.image for e in chosen] == [1, 0]


def test_reasons():
    """One object each: score too low, no proposal, wrong class, loose box, nothing left."""
    objects = makers.truth([at(x) for x in range(0, 100, 20)])
    found = makers.found(
        [at(40), at(60, 4), at(20, 4), at(0)], scores=[0.9, 0.8, 0.7, 0.1], labels=[1, 0, 0, 0]
    )
    rois = makers.stage([at(0), at(40), at(60), at(80)])
    record = makers.image(objects, [rois], {"1": found}, size=(20, 100))
    flow = flow_of([record], ("1",))
    assert [REASONS[r] for r in flow.reasons[1]] == ["score", "proposals", "class", "box", "lost"]
    assert flow.missed_because("1") == dict.fromkeys(REASONS, 1)
    assert flow.reasons[0].tolist() == [-1] * 5  # proposals miss without a reason
    everything = flow_of([record], ("1",), score=0.0)
    assert everything.reasons[1].tolist()[0] == -1  # found


def test_one_detection_finds_one_object():
    twins = makers.truth([at(0), at(0, 9)])
    record = makers.image(twins, [makers.stage([at(0)])], {"1": makers.found([at(0)])})
    flow = flow_of([record], ("1",))
    assert flow.levels[1].tolist() == [2, 0]
    assert flow.ious[1].tolist() == pytest.approx([1, 0.9])  # though it lies on both
    assert REASONS[flow.reasons[1][1]] == "lost"


def test_ignored_objects_have_no_story():
    objects = makers.truth([at(0), at(20)], ignored=[True, False])
    record = makers.image(objects, [makers.stage([at(20)])], {"1": makers.found([at(20)])})
    flow = flow_of([record], ("1",))
    assert flow.rows.tolist() == [0] and flow.levels.tolist() == [[2], [2]]


@pytest.mark.parametrize("images", [[], [makers.image()], [makers.image(makers.truth([at(0)]))]])
def test_nothing(images):
    flow = flow_of(images, ("1",))
    n = sum(len(image.truth.boxes) for image in images)
    assert flow.levels.shape == flow.ious.shape == flow.reasons.shape == (2, n)
    assert sum(map(sum, flow.transitions[0].table)) == n
    assert plot_object_flow(flow).axes


def test_the_plot_shows_the_counts():
    axis = plot_object_flow(flow_of([six_objects()])).axes[0]
    bars = {(round(b.get_x() + b.get_width() / 2), b.get_y()): b.get_height() for b in axis.patches}
    assert bars == {
        **{(0, 0): 2, (0, 2): 3, (0, 5): 1},  # missed, loose, tight
        **{(1, 0): 2, (1, 2): 2, (1, 4): 2},
        **{(2, 0): 2, (2, 2): 1, (2, 3): 3},
    }
    assert [t.get_text() for t in axis.get_xticklabels()] == ["proposals", "stage 1", "stage 2"]
    # Bands between the columns: as many as cells of the two tables that are not 0.
    tables = [np.array(step.table) for step in flow_of([six_objects()]).transitions]
    assert len(axis.collections) == sum(int((table > 0).sum()) for table in tables)


def test_labels():
    names = [column_label(name) for name in ("proposals", "2", "1~3")]
    assert names == ["proposals", "stage 2", "stages 1~3"]
