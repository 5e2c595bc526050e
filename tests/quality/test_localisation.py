"""What regressors make of boxes, on boxes whose IoU is seen at once."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.localisation import (
    compute_detector_curves,
    compute_localisation,
    compute_regressor_curves,
    join_localisation,
    localisation_findings,
    localisation_table,
    plot_localisation,
)
from cascadekit.quality.tables import as_json
from cascadekit.visualization.plots import LINE_COLORS, STAGE_COLORS
from tests.quality import makers

OBJECT = makers.truth([[0, 0, 10, 10]])


def part(iou: float) -> list[float]:
    """A box inside the object, with this IoU."""
    return [0, 0, 10, 10 * iou]


def stage(changes, head=0, **others):
    """A stage that takes boxes of the first IoU of each pair to the second."""
    return makers.stage(
        [part(a) for a, _ in changes], [part(b) for _, b in changes], head=head, **others
    )


def recording(*stages, images=1, **others):
    """So many images alike."""
    return makers.recording([makers.image(OBJECT, stages)] * images, **others)


def test_one_stage():
    # 0.4 is below the range; of the others one gains 0.2, one loses 0.1, one stays.
    result = compute_localisation(recording(stage([(0.4, 0.9), (0.6, 0.8), (0.7, 0.6), (1, 1)])))
    (curve,) = result.curves
    assert (curve.name, curve.stage, curve.head, curve.threshold) == ("stage 1", 0, 0, 0.5)
    assert curve.output.edges.tolist() == pytest.approx(np.linspace(0.5, 1, 11))
    assert curve.output.count.tolist() == [0, 0, 1, 0, 1, 0, 0, 0, 0, 1]
    assert curve.output.mean[[2, 4, 9]].tolist() == pytest.approx([0.8, 0.6, 1])
    assert curve.gain.mean[[2, 4, 9]].tolist() == pytest.approx([0.2, -0.1, 0], abs=1e-6)
    assert curve.inputs[[2, 4, 9]].tolist() == pytest.approx([0.6, 0.7, 1])
    assert curve.worse.mean[[2, 4, 9]].tolist() == [0, 1, 0]
    assert curve.rois == 3
    assert curve.mean_input == pytest.approx(2.3 / 3)
    assert curve.mean_output == pytest.approx(2.4 / 3)
    assert curve.overall.mean.tolist() == pytest.approx([0.1 / 3])
    assert curve.share_worse == pytest.approx(1 / 3)
    assert curve.crossing is None  # too few boxes in each bin


def test_each_stage_starts_from_what_enters_it():
    first, second = stage([(0.6, 0.8)]), stage([(0.8, 0.9)], head=1)
    result = compute_localisation(recording(first, second, ious=(0.5, 0.6)))
    assert [c.name for c in result.curves] == ["stage 1", "stage 2"]
    assert [c.threshold for c in result.curves] == [0.5, 0.6]
    assert [c.mean_input for c in result.curves] == pytest.approx([0.6, 0.8])
    assert [c.mean_output for c in result.curves] == pytest.approx([0.8, 0.9])


def test_the_object_stays_the_same():
    # The box leaves its object (IoU 1) for the other one, which does not count.
    objects = makers.truth([[0, 0, 10, 10], [20, 0, 30, 10]])
    moved = makers.stage([[0, 0, 10, 10]], [[20, 0, 30, 10]])
    (curve,) = compute_localisation(makers.recording([makers.image(objects, [moved])])).curves
    assert (curve.mean_input, curve.mean_output, curve.share_worse) == (1, 0, 1)


def test_ignored_objects_do_not_count():
    objects = makers.truth([[0, 0, 10, 10]], crowd=[True])
    (curve,) = compute_localisation(
        makers.recording([makers.image(objects, [stage([(1, 1)])])])
    ).curves
    assert curve.rois == 0 and math.isnan(curve.mean_output) and math.isnan(curve.share_worse)


@pytest.mark.parametrize(
    ("settings", "rois", "output"),
    [
        ({}, 3, (0.8 + 0.5 + 0.5) / 3),
        ({"most": 0.975}, 2, 0.65),  # as the authors: without inputs above it
        ({"clipped": True}, 3, (0.8 + 0.5 + 1) / 3),  # what sticks out is cut off
        ({"width": 0.5}, 3, 0.6),
    ],
)
def test_settings(settings, rois, output):
    # The last box grows to twice its size, but beyond the picture (10 x 10).
    taken = [part(0.8), part(0.5), [0, 0, 10, 20]]
    stages = [makers.stage([part(0.6), part(0.7), part(1)], taken)]
    (curve,) = compute_localisation(
        makers.recording([makers.image(OBJECT, stages, size=(10, 10))]), **settings
    ).curves
    assert curve.rois == rois and curve.mean_output == pytest.approx(output)
    assert len(curve.output.count) == (1 if "width" in settings else 10)


def test_a_box_that_is_not_finite_overlaps_nothing():
    broken = makers.stage([part(0.8)], [[math.nan, 0, 10, 10]])
    (curve,) = compute_localisation(recording(broken)).curves
    assert curve.mean_output == 0


def test_a_pixel():
    pixel = [[5, 5, 6, 6]]
    record = makers.image(makers.truth(pixel), [makers.stage([[5, 5, 6, 5.5]], pixel)])
    (curve,) = compute_localisation(makers.recording([record])).curves
    assert (curve.mean_input, curve.mean_output) == (0.5, 1)


def test_class_specific_regressors():
    # The likeliest class but background is the second; its box has IoU 0.9, the first's 0.6.
    logits, boxes = {0: [[1, 2, 9]]}, {0: [[part(0.6), part(0.9)]]}
    own = makers.stage([part(0.7)], logits=logits, boxes=boxes, classes=2)
    (curve,) = compute_localisation(recording(own, classes=("a", "b"))).curves
    assert curve.mean_output == pytest.approx(0.9)


def test_a_head_without_a_regressor_has_no_curve():
    first = stage([(0.6, 0.8)])
    second = makers.stage([part(0.6)], head=1)
    del second.boxes_by_head[1]
    result = compute_localisation(recording(first, second, ious=(0.5, 0.6)))
    assert [c.name for c in result.curves] == ["stage 1"]


def test_all_heads_on_the_same_boxes():
    boxes = {1: [[part(0.9)]], 2: [[part(0.7)]]}
    first = stage([(0.6, 0.8)], boxes=boxes)
    second = stage([(0.8, 0.85)], head=1, boxes={0: [[part(0.75)]]})
    made = recording(first, second, ious=(0.5, 0.6, 0.7))
    result = compute_regressor_curves(made)
    assert [c.name for c in result.curves] == ["regressor 1", "regressor 2", "regressor 3"]
    assert [c.mean_output for c in result.curves] == pytest.approx([0.8, 0.9, 0.7])
    assert [c.threshold for c in result.curves] == [0.5, 0.6, 0.7]
    later = compute_regressor_curves(made, stage=1)
    assert [c.mean_output for c in later.curves] == pytest.approx([0.75, 0.85])
    with pytest.raises(InputError, match="no stage 2: the recording has 2"):
        compute_regressor_curves(made, stage=2)


def test_several_detectors():
    made = {
        "u=.5": recording(stage([(0.6, 0.8)])),
        "u=.7": recording(stage([(0.8, 0.9)]), ious=(0.7,)),
        "empty": makers.recording(),
    }
    result = compute_detector_curves(made, most=0.975)
    assert [c.name for c in result.curves] == ["u=.5", "u=.7"]
    assert [c.threshold for c in result.curves] == [0.5, 0.7]
    assert (result.by, result.most) == ("detector", 0.975)


def test_joined_curves():
    # Figure 9a: the only head three times beside three heads; first and last of each.
    iterative = recording(*[stage([(0.6, 0.8)])] * 3)
    cascade = recording(*[stage([(0.6, 0.9)], head=k) for k in range(3)], ious=(0.5, 0.6, 0.7))
    parts = {"iterative": compute_localisation(iterative), "cascade": compute_localisation(cascade)}
    names = ["iterative, stage 1", "iterative, stage 3", "cascade, stage 1", "cascade, stage 3"]
    result = join_localisation(parts).pick(names)
    assert [c.name for c in result.curves] == names
    assert [c.head for c in result.curves] == [0, 0, 0, 2]
    with pytest.raises(InputError, match=r"'cascade, stage 33'.* Did you mean 'cascade, stage 3'"):
        result.pick(["cascade, stage 33"])
    with pytest.raises(InputError, match="must be computed alike"):
        join_localisation({**parts, "other": compute_localisation(cascade, most=0.9)})
    with pytest.raises(InputError, match=r"must be computed alike, got \[\]"):
        join_localisation({})


def test_nothing_there():
    for made in (
        makers.recording(),
        makers.recording([makers.image(stages=[makers.stage()])]),
        makers.recording([makers.image(OBJECT, [makers.stage()])] * 7),
        makers.recording([makers.image(stages=[stage([(1, 1)])])]),  # rois, no objects
    ):
        for result in (compute_localisation(made), compute_regressor_curves(made)):
            assert sum(curve.rois for curve in result.curves) == 0
            assert localisation_findings(result) == ()
            assert len(localisation_table(result).rows) == len(result.curves)
            assert plot_localisation(result).axes[0].texts[0].get_text() == "no boxes"
            json.dumps(as_json(result), allow_nan=False)
    assert compute_detector_curves({}).curves == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"width": 0.07}, "width 0.07 do not fill"), ({"most": 0.3}, "most is an IoU above 0.5")],
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=message):
        compute_localisation(makers.recording(), **settings)
    with pytest.raises(InputError, match=message):
        compute_detector_curves({}, **settings)


# Ten boxes of IoU 0.62, 0.82 and 0.92 in each of six images: enough to draw conclusions.
RISING = [(0.62, 0.82), (0.82, 0.86), (0.92, 0.90)] * 10


def test_where_boxes_get_worse():
    (curve,) = compute_localisation(recording(stage(RISING), images=6)).curves
    # The mean change falls from +0.04 at 0.82 to -0.02 at 0.92: 0 after two thirds of the way.
    assert curve.crossing == pytest.approx(0.82 + 0.1 * 2 / 3, abs=1e-5)
    assert curve.worse.mean[[2, 6, 8]].tolist() == [0, 0, 1]


def test_table():
    result = compute_localisation(recording(stage(RISING), images=6), most=0.975, clipped=True)
    table = localisation_table(result)
    assert table.rows == (("stage 1", "0.5", "180", "0.787", "0.860", "33.3", "0.887"),)
    assert table.notes == (
        "Boxes that enter with an IoU of at least 0.5 and at most 0.975, with the same object. "
        "Worse from: where the mean change turns negative, be it by chance.",
        "Refined boxes are cut at the picture's border.",
    )
    never = compute_localisation(recording(stage([(0.6, 0.8)])))
    assert localisation_table(never).rows[0][-1] == "never"


def test_findings():
    first, second = stage(RISING), stage([(0.62, 0.6), (0.82, 0.82), (0.92, 0.95)] * 10, head=1)
    found = localisation_findings(
        compute_localisation(recording(first, second, images=6, ious=(0.5, 0.6)))
    )
    assert found == (
        "The mean IoU of the 180 boxes that enter stage 1 with IoU 0.5 or more rises: 0.787 "
        "before, 0.860 after (+0.073 to +0.073 with 95 % confidence); 33.3 % of them get worse.",
        "From an input IoU of 0.89 on, stage 1 makes boxes worse on average.",
        "The mean IoU of the 180 boxes that enter stage 2 with IoU 0.5 or more rises: 0.787 "
        "before, 0.790 after (+0.003 to +0.003 with 95 % confidence); 33.3 % of them get worse.",
        "Of boxes that enter with IoU 0.60 to 0.65, stage 1 makes the best.",
        "Of boxes that enter with IoU 0.80 to 0.85, stage 1 makes the best.",
        "Of boxes that enter with IoU 0.90 to 0.95, stage 2 makes the best.",
    )


def test_findings_need_more_than_chance():
    # In half of the images boxes gain almost what they lose in the others.
    halves = [recording(stage(change * 10)) for change in ([(0.6, 0.8)], [(0.6, 0.38)])]
    images = [image for made in halves for image in made.images * 4]
    result = compute_localisation(makers.recording(images))
    assert result.curves[0].crossing == pytest.approx(0.6)  # nowhere above the diagonal, but
    assert localisation_findings(result) == (
        "The mean IoU of the 80 boxes that enter stage 1 with IoU 0.5 or more does not clearly "
        f"change: 0.600 before, 0.590 after ({result.curves[0].overall.low[0]:+.3f} to "
        f"{result.curves[0].overall.high[0]:+.3f} with 95 % confidence); 50.0 % of them get worse.",
    )
    falling = compute_localisation(recording(stage([(0.8, 0.7)] * 10), images=6))
    assert "falls: 0.800 before, 0.700 after" in localisation_findings(falling)[0]
    assert localisation_findings(falling)[1].startswith("From an input IoU of 0.80 on, stage 1")
    # Four images say nothing about others.
    assert localisation_findings(compute_localisation(recording(stage(RISING), images=4))) == ()


def test_plot():
    made = recording(stage(RISING), stage([(0.7, 0.3)], head=1), images=6, ious=(0.5, 0.6))
    axes, strip = plot_localisation(compute_localisation(made), "A title").axes
    assert axes.get_title() == "A title"
    diagonal, first, tick, second = axes.lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0.5, 1]
    # Points are at the mean input of their bins.
    assert first.get_xdata().tolist() == pytest.approx([0.62, 0.82, 0.92])
    assert first.get_ydata().tolist() == pytest.approx([0.82, 0.86, 0.90])
    assert [*tick.get_xdata(), *tick.get_ydata()] == pytest.approx([0.887] * 2, abs=1e-3)
    assert [line.get_color() for line in (first, second)] == list(STAGE_COLORS[:2])
    assert axes.get_xlim() == (0.5, 1) and axes.get_ylim()[0] < 0.3  # low outputs are seen
    assert [text.get_text() for text in axes.get_legend().texts] == ["stage 1", "stage 2"]
    assert len(strip.patches) == 2 * 10
    assert axes.get_xlabel().endswith("bars: boxes per bin, up to 60")


def test_colors_of_a_plot():
    made = recording(stage([(0.6, 0.8)], head=1, boxes={0: [[part(0.7)]]}), ious=(0.5, 0.6))
    figure = plot_localisation(compute_regressor_curves(made))
    assert [line.get_color() for line in figure.axes[0].lines[1:]] == list(STAGE_COLORS[:2])
    assert len(figure.axes[1].patches) == 10  # the same boxes: one strip
    figure = plot_localisation(compute_detector_curves({"a": made, "b": made}))
    assert [line.get_color() for line in figure.axes[0].lines[1:]] == list(LINE_COLORS[:2])
