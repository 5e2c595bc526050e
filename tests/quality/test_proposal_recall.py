"""Recall of each stage's boxes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.proposal_recall import (
    compute_proposal_recall,
    plot_proposal_recall,
    proposal_recall_findings,
    proposal_recall_table,
)
from cascadekit.quality.tables import as_json
from cascadekit.visualization.canvas import INK
from cascadekit.visualization.plots import STAGE_COLORS
from tests.quality import makers

OBJECT = makers.truth([[0, 0, 10, 10]])
AWAY = [50, 50, 60, 60]


def part(iou: float) -> list[float]:
    """A box inside the object, with this IoU."""
    return [0, 0, 10, 10 * iou]


def cascade(images=1, objects=OBJECT):
    """IoU 0.5 enters stage 1, 0.7 stage 2, 0.9 leaves; beside it a box away from all."""
    first = makers.stage([part(0.5), AWAY], [part(0.7), AWAY], scores=[0.9, 0.8])
    logits = {1: [[1.0, 0.0], [0.0, 0.0]]}
    second = makers.stage([part(0.7), AWAY], [part(0.9), AWAY], [0.9, 0.8], logits, head=1)
    return makers.recording([makers.image(objects, [first, second])] * images, ious=(0.5, 0.6))


def test_rows():
    result = compute_proposal_recall(cascade(), limits=(1000, 1, 1))
    assert [row.name for row in result.rows] == ["stage 1", "stage 2", "output"]
    assert result.limits == (1, 1000)
    # IoU 0.5 passes one of ten thresholds, 0.7 five, 0.9 nine.
    assert [row.average["AR1000"] for row in result.rows] == pytest.approx([0.1, 0.5, 0.9])
    assert [row.average["AR1_small"] for row in result.rows] == pytest.approx([0.1, 0.5, 0.9])
    assert math.isnan(result.rows[0].average["AR1000_large"])
    assert result.rows[1].single == {50: 1.0, 60: 1.0, 70: 1.0, 80: 0.0, 90: 0.0}
    assert result.rows[1].curve[1].tolist() == [1.0] * 21 + [0.0] * 30
    assert len(result.ious) == 51 and result.ious[20] == pytest.approx(0.7)
    assert (result.num_objects, result.num_images, result.proposals) == (1, 1, "RPN")
    assert result.rows[0].boxes_per_image == 2


def test_ranking():
    # The good box ranks second on its way in, and first on its way out, by class scores.
    logits = {0: [[0.0, 2.0], [2.0, 0.0]]}
    stage = makers.stage([AWAY, part(1)], scores=[0.9, 0.8], logits=logits)
    result = compute_proposal_recall(
        makers.recording([makers.image(OBJECT, [stage])]), limits=(1, 2)
    )
    assert [row.average["AR1"] for row in result.rows] == [0.0, 1.0]
    assert [row.average["AR2"] for row in result.rows] == [1.0, 1.0]
    assert result.rows[0].single[90] == 1.0  # at the largest limit


def test_background_is_no_score():
    # Background is likelier for the good box, but its best class is likelier than the other's.
    logits = {0: [[0.5, 0.0, 3.0], [2.0, 2.0, 2.5]]}
    stage = makers.stage([AWAY, part(1)], logits=logits, classes=2)
    made = makers.recording([makers.image(OBJECT, [stage])], classes=("a", "b"))
    assert compute_proposal_recall(made, limits=(1,)).rows[1].average["AR1"] == 1.0


@pytest.mark.parametrize(("clipped", "recall"), [(True, 1.0), (False, 0.1)])
def test_boxes_beyond_the_border(clipped, recall):
    stage = makers.stage([[0, 0, 10, 20]])  # half of it is outside of the picture
    made = makers.recording([makers.image(OBJECT, [stage], size=(10, 10))])
    assert compute_proposal_recall(made, clipped=clipped).rows[0].average["AR100"] == recall


def test_sizes_go_by_the_areas_of_the_truth():
    # The mask of the second object is small, its box is not; crowds do not count.
    objects = makers.truth(
        [[0, 0, 200, 200], [300, 0, 500, 200], [0, 300, 200, 500]],
        areas=[40_000, 100, 40_000],
        crowd=[False, False, True],
    )
    stage = makers.stage([[0, 0, 200, 200]])
    made = makers.recording([makers.image(objects, [stage], size=(600, 600))])
    average = compute_proposal_recall(made).rows[0].average
    assert average["AR100"] == 0.5
    assert average["AR100_small"] == 0.0 and average["AR100_large"] == 1.0


def test_nothing_there():
    for made, rows in (
        (makers.recording(), 0),
        (makers.recording([makers.image(stages=[makers.stage()])]), 2),
        (makers.recording([makers.image(OBJECT, [makers.stage()])] * 6), 2),
        (makers.recording([makers.image(stages=[makers.stage([AWAY])])]), 2),  # no objects
    ):
        result = compute_proposal_recall(made)
        assert len(result.rows) == rows == len(proposal_recall_table(result).rows)
        assert proposal_recall_findings(result) == ()
        assert len(plot_proposal_recall(result).axes) == 2
        json.dumps(as_json(result), allow_nan=False)
        expected = 0.0 if result.num_objects else math.nan
        for row in result.rows:
            assert row.average["AR1000"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("limits", [(), (0, 100)])
def test_bad_limits(limits):
    with pytest.raises(InputError, match="positive numbers of boxes"):
        compute_proposal_recall(makers.recording(), limits=limits)


def test_changes_from_row_to_row():
    gains = compute_proposal_recall(cascade(images=6), limits=(1,)).gains[1]
    # All images are alike: so are all draws.
    assert np.ravel(gains).tolist() == pytest.approx([0.4] * 6)
    few = compute_proposal_recall(cascade(images=4), limits=(1,)).gains[1]
    assert few[0][0] == pytest.approx(0.4) and math.isnan(few[0][1])  # no band


def test_table():
    result = compute_proposal_recall(cascade(images=2))
    table = proposal_recall_table(result, paper=True)
    assert table.header[:5] == ("", "AR100", "AR100 s", "AR100 m", "AR100 l")
    assert table.header[5:] == (
        *("AR1000", "AR1000 s", "AR1000 m", "AR1000 l"),
        *("R50", "R60", "R70", "R80", "R90"),
    )
    column = [(row[0], row[5]) for row in table.rows]
    assert column == [
        *(("stage 1", "10.0"), ("stage 2", "50.0"), ("output", "90.0")),
        *(("paper, stage 1", "59.1"), ("paper, stage 2", "70.7")),
    ]
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert table.rows[1][9:] == ("100.0", "100.0", "100.0", "0.0", "0.0")
    assert "2 objects in 2 images" in table.notes[0]
    assert "An image has 2 boxes on average, fewer than 1000." in table.notes
    assert "Paper: Table 8, FPN with ResNet-50 on COCO." in table.notes
    assert len(proposal_recall_table(result).rows) == 3  # the paper only on request
    # The paper has AR at 1000 only.
    other = proposal_recall_table(compute_proposal_recall(cascade(), limits=(1, 2)), paper=True)
    assert len(other.rows) == 3 and not any("fewer" in note for note in other.notes)


def test_findings():
    result = compute_proposal_recall(cascade(images=6), limits=(1,))
    assert proposal_recall_findings(result) == (
        "AR1 rises from 10.0 % with the boxes that enter stage 1 to 50.0 % with those that leave "
        "it (+40.0 to +40.0 points with 95 % confidence).",
        "AR1 rises from 50.0 % with the boxes that enter stage 2 to 90.0 % with those that leave "
        "it (+40.0 to +40.0 points with 95 % confidence).",
    )
    # Half of the images gain what the others lose: nothing to say.
    up, down = ([makers.stage([part(a)], [part(b)])] for a, b in ((0.5, 0.7), (0.7, 0.5)))
    images = [makers.image(OBJECT, up), makers.image(OBJECT, down)] * 4
    assert proposal_recall_findings(compute_proposal_recall(makers.recording(images))) == ()


def test_findings_by_size():
    objects = makers.truth([[0, 0, 10, 10], [20, 20, 220, 220]])
    stage = makers.stage([part(0.5), [20, 20, 220, 160]], [part(0.5), [20, 20, 220, 220]])
    made = makers.recording([makers.image(objects, [stage], size=(300, 300))] * 5)
    assert proposal_recall_findings(compute_proposal_recall(made, limits=(10,)))[-1] == (
        "From the first boxes to the last AR10 goes from 10.0 to 10.0 % for small, from 50.0 to "
        "100.0 % for large objects."
    )


def test_plot():
    figure = plot_proposal_recall(compute_proposal_recall(cascade(), limits=(1, 2)))
    assert [axes.get_title() for axes in figure.axes] == [
        "The best 1 boxes per image",
        "The best 2 boxes per image",
    ]
    first, second, output = figure.axes[0].lines
    assert first.get_ydata().tolist() == [1.0] + [0.0] * 50
    assert output.get_ydata().tolist() == [1.0] * 41 + [0.0] * 10
    colors = [line.get_color() for line in (first, second, output)]
    assert colors == [*STAGE_COLORS[:2], INK]
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == [
        "enter stage 1: AR 10.0",
        "enter stage 2: AR 50.0",
        "leave the last: AR 90.0",
    ]
