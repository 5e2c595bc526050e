"""Every head on every stage's boxes, on hand-made recordings."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.stage_matrix import (
    compute_stage_matrix,
    plot_head_curves,
    plot_stage_matrix,
    stage_choices_table,
    stage_matrix_findings,
    stage_matrix_table,
)
from cascadekit.quality.tables import as_json
from tests.quality import makers

OBJECT, AWAY = [0, 0, 50, 100], [60, 0, 90, 100]
# A regressor's box and its IoU with the object; a box away from it that scores higher halves AP.
BOX = {52: [0, 0, 50, 52], 72: [0, 0, 50, 72], 82: [0, 0, 50, 82], 92: [0, 0, 50, 92]}
SURE, LESS, NEVER = [5.0, 0.0], [2.0, 0.0], [-5.0, 0.0]


def refined(percent):
    """Two rois through one regressor: the first one's box has that IoU, the second is away."""
    return [BOX[percent], AWAY]


def two_stages(final="1~2", n=1):
    """Head 1 ranks the stray box first, head 2 second; each regressor differs at each stage."""
    logits = {0: [LESS, SURE], 1: [SURE, LESS]}
    first = makers.stage(
        [OBJECT, AWAY], refined(52), logits=logits, boxes={0: refined(52), 1: refined(72)}, head=0
    )
    second = makers.stage(
        refined(52), refined(92), logits=logits, boxes={0: refined(82), 1: refined(92)}, head=1
    )
    detections = {
        "1~2": makers.found([BOX[92]]),
        "2": makers.found([BOX[92]]),
        "1": makers.found([BOX[52]]),
    }
    images = [
        makers.image(makers.truth([OBJECT]), (first, second), detections, size=(100, 100))
        for _ in range(n)
    ]
    return makers.recording(images, ious=(0.5, 0.6), final=final)


@pytest.mark.parametrize(
    "regressor, expected",
    [
        # (stage, head) -> thresholds passed by the cell's box; head 1 gets half of it.
        ("stage", {(0, 0): 1, (0, 1): 1, (1, 0): 9, (1, 1): 9}),
        ("head", {(0, 0): 1, (0, 1): 5, (1, 0): 7, (1, 1): 9}),
    ],
)
def test_cells(regressor, expected):
    result = compute_stage_matrix(two_stages(), regressor, rounds=0)
    assert [(c.stage, c.head) for c in result.cells] == list(expected)
    for (s, h), passed in expected.items():
        precision = 0.5 if h == 0 else 1.0
        assert result.at(s, h).curve.ap["AP"] == pytest.approx(precision * passed / 10)
    assert result.numbers()["stage2/head1"]["AP50"] == pytest.approx(0.5)
    assert (result.stages, result.heads, result.thresholds) == (2, (0, 1), (0.5, 0.6))
    assert not result.borrowed and regressor == result.regressor


def test_choices_come_from_the_recording():
    result = compute_stage_matrix(two_stages(), rounds=5)
    assert [c.name for c in result.choices.curves] == ["1", "2", "1~2"]
    assert [c.ap["AP"] for c in result.choices.curves] == pytest.approx([0.1, 0.9, 0.9])
    assert result.choices.reference == "1"
    table = stage_choices_table(result)
    names = [row[0] for row in table.rows]
    assert names == ["stage 1", "stage 2", "stages 1~2 (the detector's answer)"]
    assert table.rows[1][1:3] == ("90.0", "100.0") and table.rows[1][-2] == "+80.0"


def test_gains_are_over_the_same_head_on_stage_1():
    result = compute_stage_matrix(two_stages(), rounds=5)
    assert result.at(0, 1).curve.gain is None
    assert result.at(1, 1).curve.gain.difference[0] == pytest.approx(0.8)
    assert result.at(1, 0).curve.gain.difference[0] == pytest.approx(0.4)


def test_boxes_are_clipped_at_the_file():
    """The picture is 100 x 100 on disk and 50 x 50 for the network."""
    recording = two_stages()
    (image,) = recording.images
    info = replace(image.info, size=(50, 50))
    halved = replace(recording, images=(replace(image, info=info),))
    result = compute_stage_matrix(halved, rounds=0)
    assert result.at(1, 1).curve.ap["AP"] == pytest.approx(0.9)


def test_class_specific_boxes():
    """Two classes: the label's box counts."""
    stage = makers.stage(
        [OBJECT], logits={0: [[0.0, 5.0, -5.0]]}, boxes={0: [[BOX[52], BOX[92]]]}, classes=2
    )
    image = makers.image(
        makers.truth([OBJECT], labels=[1]), [stage], {"1": makers.found([BOX[92]], labels=[1])}
    )
    result = compute_stage_matrix(makers.recording([image], ("a", "b")), rounds=0)
    assert result.at(0, 0).curve.ap["AP"] == pytest.approx(0.9)


@pytest.mark.parametrize("regressor", ["stage", "head"])
def test_heads_without_a_regressor(regressor):
    """Integral loss: three classifiers, and the first one's regressor."""
    logits = {0: [SURE], 1: [SURE]}
    stages = []
    for head in (0, 1):
        stage = makers.stage([OBJECT], [BOX[72]], logits=logits, head=head)
        stages.append(replace(stage, boxes_by_head={0: makers.boxes_of([BOX[72]])[:, None]}))
    # The second one without any boxes of its own, as when heads are not all run.
    stages[1] = replace(stages[1], boxes_by_head={}, output_boxes=makers.boxes_of([BOX[92]]))
    image = makers.image(makers.truth([OBJECT]), stages)
    result = compute_stage_matrix(makers.recording([image], ious=(0.5, 0.6)), regressor, rounds=0)
    assert result.borrowed and "Heads without a regressor" in result.stated
    assert result.at(1, 1).curve.ap["AP"] == pytest.approx(0.5)
    # Head 1's regressor exists, but was not run on stage 2's rois.
    assert (result.at(1, 0) is None) == (regressor == "head")


def test_heads_that_were_not_run():
    """What is recorded for an ensemble alone: earlier heads on later boxes."""
    recording = two_stages()
    (image,) = recording.images
    own = [
        replace(
            stage,
            logits_by_head={h: v for h, v in stage.logits_by_head.items() if h <= stage.head},
            boxes_by_head={stage.head: stage.boxes_by_head[stage.head]},
        )
        for stage in image.stages
    ]
    partial = replace(recording, images=(replace(image, stages=tuple(own)),))
    result = compute_stage_matrix(partial, rounds=5)
    assert [(c.stage, c.head) for c in result.cells] == [(0, 0), (1, 0), (1, 1)]
    assert result.at(1, 1).curve.gain is None
    by_head = compute_stage_matrix(partial, "head", rounds=5)
    assert [(c.stage, c.head) for c in by_head.cells] == [(0, 0), (1, 1)]
    for each in (result, by_head):
        assert len(plot_stage_matrix(each, ["AP"]).axes[0].texts) == len(each.cells)
        assert sum(len(a.lines) for a in plot_head_curves(each).axes) == len(each.cells)


def test_one_head_in_several_passes():
    """Iterative BBox: each pass is a stage."""
    passes = [makers.stage([OBJECT], [BOX[p]], logits={0: [SURE]}) for p in (72, 92)]
    image = makers.image(makers.truth([OBJECT]), passes, {"2": makers.found(), "1": makers.found()})
    result = compute_stage_matrix(makers.recording([image], final="2"), rounds=0)
    assert [c.curve.name for c in result.cells] == ["stage1/head1", "stage2/head1"]
    assert [c.curve.ap["AP"] for c in result.cells] == pytest.approx([0.5, 0.9])
    assert len(plot_stage_matrix(result, ["AP"]).axes[0].patches) == 0  # no diagonal


@pytest.mark.parametrize(
    "recording",
    [
        makers.recording(),  # no images
        makers.recording([makers.image(stages=[makers.stage()])]),  # no objects, no rois
        makers.recording([makers.image(makers.truth([[5, 5, 6, 6]]), [makers.stage()])]),
    ],
)
def test_next_to_nothing(recording):
    result = compute_stage_matrix(recording, rounds=3)
    assert len(result.cells) == recording.num_stages
    assert stage_matrix_findings(result) == ()
    assert len(stage_matrix_table(result).rows) == len(result.cells)
    assert len(stage_choices_table(result).rows) == len(result.choices.curves)
    plot_stage_matrix(result)
    plot_head_curves(result)
    json.dumps(as_json(result), allow_nan=False)


def test_the_regressor_is_stated():
    for regressor, words in (("stage", "stage's own regressor"), ("head", "of the head that")):
        result = compute_stage_matrix(two_stages(), regressor, rounds=0)
        assert words in stage_matrix_table(result).notes[0]
        for figure in (plot_stage_matrix(result), plot_head_curves(result)):
            assert words in figure.get_suptitle()
    with pytest.raises(InputError, match=r"regressor must be one of stage, head, got 'heads'"):
        compute_stage_matrix(two_stages(), "heads")


def test_table():
    table = stage_matrix_table(compute_stage_matrix(two_stages(), rounds=3))
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == [f"boxes {s}, head {h}" for s in (1, 2) for h in (1, 2)]
    assert rows["boxes 2, head 2"][1:] == (
        *("90.0", "100.0", "100.0", "100.0", "100.0", "100.0", "100.0"),
        *("+80.0", "+80.0 to +80.0"),
    )


def test_findings():
    found = stage_matrix_findings(compute_stage_matrix(two_stages(n=10), rounds=20))
    assert found[1].startswith(
        "Head 2 (u = 0.6) has 10.0 AP on stage 1's boxes and 90.0 on those of stage 2: a gain of "
        "80.0 points (+80.0 to +80.0 with 95 % confidence over images)"
    )
    assert found[2].startswith("Stage 2 alone has 90.0 AP, stage 1 alone has 10.0: a gain")
    assert found[3].startswith("The ensemble of stages 1~2 has 90.0 AP")
    assert len(found) == 4
    assert stage_matrix_findings(compute_stage_matrix(two_stages(n=10), rounds=0)) == ()
    assert stage_matrix_findings(compute_stage_matrix(two_stages(n=9), rounds=20)) == ()


def test_heat_map():
    result = compute_stage_matrix(two_stages(), rounds=0)
    axes, other = plot_stage_matrix(result, ["AP", "AP50"]).axes
    grid = axes.images[0].get_array()
    assert np.asarray(grid) == pytest.approx(np.array([[5, 10], [45, 90]]))
    assert [text.get_text() for text in axes.texts] == ["5.0", "10.0", "45.0", "90.0"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["boxes 1", "boxes 2"]
    assert len(axes.patches) == 2 and other.get_title() == "AP50"  # the diagonal is framed


def test_head_curves():
    result = compute_stage_matrix(two_stages(), rounds=0)
    axes = plot_head_curves(result).axes
    assert [a.get_title() for a in axes] == ["Head 1 (u = 0.5)", "Head 2 (u = 0.6)"]
    lines = axes[1].lines
    assert [line.get_label() for line in lines] == [
        "stage 1's boxes (10.0)",
        "stage 2's boxes (90.0)",
    ]
    assert lines[1].get_ydata() == pytest.approx([100] * 9 + [0])
