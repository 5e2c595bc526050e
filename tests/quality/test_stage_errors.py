"""Error anatomy of stages: counts, tables, plots and findings."""

import json
import math
from dataclasses import replace

import pytest

from cascadekit.errors import InputError
from cascadekit.quality.stage_error_findings import may_be_chance
from cascadekit.quality.stage_errors import (
    compute_stage_errors,
    object_flow_table,
    plot_stage_errors,
    stage_errors_findings,
    stage_errors_gains_table,
    stage_errors_table,
)
from cascadekit.quality.tables import as_json
from tests.quality import makers
from tests.quality.test_object_flow import at, six_objects


def stages_of(*per_stage, proposals=None, objects=10, final=None):
    """One picture with a row of objects; each stage has (height, score) of each detection."""
    truth = makers.truth([at(20 * i) for i in range(objects)])
    found = {}
    for k, rows in enumerate(per_stage, 1):
        ordered = sorted(enumerate(rows), key=lambda item: -item[1][1])
        boxes = [at(20 * i, height) for i, (height, _) in ordered]
        found[str(k)] = makers.found(boxes, scores=[score for _, (_, score) in ordered])
    rois = [at(20 * i, height) for i, height in enumerate(proposals or [6] * objects)]
    own = [makers.stage(rois) for _ in per_stage]
    # Each stage gets boxes of its own, unlike the integral loss.
    own = [replace(s, input_boxes=s.input_boxes + 0.01 * k) for k, s in enumerate(own)]
    record = makers.image(truth, own, found, size=(20, 20 * objects))
    return makers.recording([record], ("a",), final=final or str(len(per_stage)))


def test_counts():
    result = compute_stage_errors(makers.recording([six_objects()], final="2"))
    assert result.choices == ("1", "2")
    assert (result.num_images, result.num_objects) == (1, 6)
    low, high = (result.at("1", t) for t in (0.5, 0.75))
    assert [*low.shown.values()] == [4, 1, 0, 0, 0, 0, 0]  # the one with IoU .4 is loose
    assert [*high.shown.values()] == [2, 3, 0, 0, 0, 0, 0]
    assert (low.found, low.missed) == (4, 2)
    after = result.at("2", 0.5)
    # The fifth detection has a score of .2: not shown, but AP has it.
    assert [*after.shown.values()] == [4, 0, 0, 0, 0, 0, 0]
    assert after.all["correct"] == 5
    assert after.ap == pytest.approx(84 / 101)  # recalls 0, .01 ... .83 of 5 / 6
    # The loose one comes fourth: precision 1 up to recall .50, then 4 / 5 up to .66.
    assert low.ap == pytest.approx((51 + 16 * 0.8) / 101)
    assert low.gains["localisation"] == pytest.approx(84 / 101 - low.ap)
    # Of five objects: 1 up to recall .60, then 4 / 5 up to .80; one has a loose box and stays.
    assert low.gains["missed"] == pytest.approx((61 + 20 * 0.8) / 101 - low.ap)
    with pytest.raises(KeyError):
        result.at("3", 0.5)


def test_as_json():
    result = compute_stage_errors(makers.recording([six_objects()], final="2"))
    text = json.dumps(as_json(result), allow_nan=False)
    assert json.loads(text)["flow"]["transitions"][1]["examples"]["lost"][0]["row"] == 4


def test_every_stage_and_the_final_choice():
    record = six_objects()
    record = replace(record, detections={**record.detections, "1~2": record.detections["2"]})
    assert compute_stage_errors(makers.recording([record], final="1~2"), gains=False).choices == (
        "1",
        "2",
        "1~2",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": (0.5,)}, "two or more"),
        ({"thresholds": (0.75, 0.5)}, "ascending"),
        ({"thresholds": (0.5, 0.77)}, "0.77"),
        ({"floor": 0.5}, "floor must lie"),
        ({"score_threshold": 30}, "score_threshold must lie"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message):
        compute_stage_errors(makers.recording(), **options)


def test_tables():
    result = compute_stage_errors(makers.recording([six_objects()], final="2"))
    table = stage_errors_table(result)
    assert table.rows[0] == ("stage 1, IoU 0.5", "4", "1", "0", "0", "0", "0", "4", "2", "63.2")
    assert len(table.rows) == 4 and len(table.header) == len(table.rows[0])
    gains = stage_errors_gains_table(result)
    assert gains.rows[0] == (
        *("stage 1, IoU 0.5", "63.2", "+20.0", "+0.0", "+0.0", "+0.0", "+0.0", "+13.1"),
    )
    flow = object_flow_table(result)
    assert flow.rows[1] == ("stage 1 to stage 2", "1", "1", "1", "1", "1", "0", "1")
    assert flow.rows[0][0] == "proposals to stage 1"
    without = stage_errors_gains_table(
        compute_stage_errors(makers.recording([six_objects()], final="2"), gains=False)
    )
    assert without.rows[0][2:] == ("-",) * 6


def test_plot():
    result = compute_stage_errors(makers.recording([six_objects()], final="2"))
    axes = plot_stage_errors(result).axes
    assert [a.get_title() for a in axes] == [
        "detections at IoU 0.5",
        "detections at IoU 0.75",
        "AP gained if mended, IoU 0.5",
        "AP gained if mended, IoU 0.75",
    ]
    heights = [[bar.get_height() for bar in group] for group in axes[0].containers]
    assert heights == [[4, 4], [1, 0], [0, 0], [0, 0], [0, 0], [0, 0], [-2, -2]]
    gains = [[bar.get_height() for bar in group] for group in axes[2].containers]
    assert gains[0][0] == pytest.approx(20)
    assert len(plot_stage_errors(compute_stage_errors(makers.recording())).axes) == 2


def test_nothing():
    for images in ([], [makers.image()]):
        result = compute_stage_errors(makers.recording(images))
        assert result.num_objects == 0
        assert stage_errors_findings(result) == ()
        assert all(math.isnan(c.ap) for c in result.counts)
        assert len(stage_errors_table(result).rows) == 2 * len(images)
        assert plot_stage_errors(result).axes


# Findings


def findings(*per_stage, **options):
    return " ".join(stage_errors_findings(compute_stage_errors(stages_of(*per_stage, **options))))


LOOSE, TIGHT_ = (6, 0.9), (9, 0.9)


def test_a_cascade_that_helps():
    text = findings([LOOSE] * 10, [TIGHT_] * 8 + [LOOSE] * 2)
    assert "At IoU 0.5 the detector finds 10 of 10 objects" in text
    assert "of its 10 detections 10 are correct." in text
    # Each stage is judged at ten IoUs: .6 reaches three of them, .9 nine.
    assert "The later stages help: AP goes from 30.0 (stage 1) to" in text
    assert "at IoU 0.75 from 0.0 to" in text
    assert "8 of 10 objects are found or tightened, 0 lost or loosened; of the 10" in text
    assert "found at both ends 8 get a tighter box and 0 a looser one, 0.600 and 0.840" in text
    assert "What costs less AP at IoU 0.75 than at stage 1: loose boxes (100.0 points" in text
    assert "Stage 2 tightens 8 of 10 objects and finds 0 more; it loosens 0 and loses 0." in text
    assert "At IoU 0.75 loose boxes cost most" in text
    assert "are missed at the end" not in text


def test_few_changes_may_be_chance():
    text = findings([LOOSE] * 10, [TIGHT_] * 2 + [LOOSE] * 8)
    assert "2 of 10 objects are found or tightened, 0 lost or loosened, which may be chance" in text


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        (0, 0, True),
        (5, 0, True),  # 2 / 32 of all sequences of five
        (6, 0, False),  # 2 / 64
        (0, 6, False),
        (8, 1, False),  # 2 * (1 + 9) / 512
        (7, 2, True),  # 2 * (1 + 9 + 36) / 512
        (10_100, 9_900, True),  # 1.4 standard deviations
        (10_200, 9_800, False),  # 2.8
    ],
)
def test_sign_test(up, down, expected):
    assert may_be_chance(up, down) == expected


def test_missed_by_the_proposals():
    """Nothing to mend for later stages: the objects never enter."""
    some = [TIGHT_] * 5 + [(3, 0.9)] * 5
    text = findings(some, some, proposals=[8] * 5 + [3] * 5)
    assert "The later stages do not help here" in text
    assert "5 objects are missed already by the proposals" in text
    assert "only 0 of 10 objects are loose after stage 1" in text
    assert "5 of 10 objects are missed at the end (IoU 0.5): 5 without a proposal" in text
    assert "Stage 2 changes none of the 10 objects." in text


def test_boxes_that_stay_loose():
    text = findings([LOOSE] * 10, [LOOSE] * 10)
    assert "The later stages do not help here" in text and "of 10 loose objects 10 stay" in text


def test_a_stage_that_breaks_as_much_as_it_mends():
    tight, loose = [(9, 0.5)] * 5, [(6, 0.9)] * 5  # AP75 is the same either way
    text = findings(loose + tight, tight + loose)
    assert "The later stages do not help here" in text
    assert "5 objects get worse beside 5 that get better" in text
    assert "so few more one way than the other that it may be chance" in text


def test_a_stage_that_hurts():
    text = findings([TIGHT_] * 10, [LOOSE] * 8 + [TIGHT_] * 2)
    assert "The later stages hurt here: AP goes from 90.0 (stage 1) to" in text
    assert "at IoU 0.75 from 100.0 to" in text
    assert "0 of 10 objects are found or tightened, 8 lost or loosened" in text


def test_objects_lost_by_their_score_alone():
    """AP takes all scores and stays: the stage does not hurt."""
    text = findings([TIGHT_] * 10, [(9, 0.1)] * 9 + [TIGHT_])
    assert "do not help here: AP goes from 90.0 (stage 1) to 90.0, at IoU 0.75" in text
    assert "10 of 10 objects are tight after stage 1 already" in text
    assert "loses 9 (9 of these only because the score falls below the threshold)." in text
    assert "9 of 10 objects are missed at the end (IoU 0.5): 9 found, but with a score" in text


def test_what_tighter_boxes_do_not_mend():
    recording = stages_of([TIGHT_] * 10, [TIGHT_] * 10)
    (record,) = recording.images
    truth = replace(record.truth, labels=record.truth.labels.clone())
    truth.labels[:6] = 1  # six objects have another class than all detections
    recording = replace(recording, classes=("a", "b"), images=(replace(record, truth=truth),))
    text = " ".join(stage_errors_findings(compute_stage_errors(recording)))
    assert "wrong classes cost more there" in text
    assert "6 with a box, but of the wrong class" in text


def test_one_stage_has_no_verdict():
    text = findings([LOOSE] * 10)
    assert "later stages" not in text and "Stage" not in text
    assert "At IoU 0.75 loose boxes cost most: mended, AP would be 100.0" in text


def test_shared_boxes_have_no_verdict():
    recording = stages_of([LOOSE] * 10, [TIGHT_] * 10)
    (record,) = recording.images
    same = tuple(record.stages[0] for _ in record.stages)
    result = compute_stage_errors(replace(recording, images=(replace(record, stages=same),)))
    assert result.shared_rois
    assert not any("later stages" in text for text in stage_errors_findings(result))


def test_no_detection_at_all():
    text = findings([(9, 0.1)] * 10)
    assert "it shows no detection at all." in text
