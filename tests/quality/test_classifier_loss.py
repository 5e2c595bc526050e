"""Cross-entropy of classifiers by IoU."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.classifier_loss import (
    classifier_loss_findings,
    classifier_loss_table,
    compute_classifier_loss,
    compute_detector_losses,
    compute_head_losses,
    labels_at,
    plot_classifier_loss,
)
from cascadekit.quality.stage_inputs import stage_inputs
from cascadekit.quality.tables import as_json
from cascadekit.visualization.plots import LINE_COLORS, STAGE_COLORS
from tests.quality import makers

CLASSES = ("a", "b")
OBJECT = makers.truth([[0, 0, 10, 10]], labels=[1])
# Probabilities 1/2, 1/4 and 1/4 of a, b and background: losses of log 2, log 4 and log 4.
EVEN = [math.log(2), 0.0, 0.0]


def part(iou: float) -> list[float]:
    """A box inside the object, with this IoU."""
    return [0, 0, 10, 10 * iou]


def sure(good: float) -> list[float]:
    """Logits with this probability for the object's class; the others share the rest."""
    return [math.log((1 - good) / 2), math.log(good), math.log((1 - good) / 2)]


def stage(ious, logits, head=0, others=None):
    rows = {head: logits, **(others or {})}
    return makers.stage([part(q) for q in ious], logits=rows, head=head, classes=2)


def recording(*stages, images=1, ious=(0.5,)):
    return makers.recording([makers.image(OBJECT, stages)] * images, CLASSES, ious)


@pytest.mark.parametrize(
    ("u", "losses", "positives"),
    [
        # Positives are the second class; below u the first box is background.
        (0.5, [-math.log(0.7), -math.log(0.1)], 2),
        (0.6, [-math.log(0.2), -math.log(0.1)], 1),
        (0.7, [-math.log(0.2), -math.log(0.1)], 1),  # u itself is positive, in float32 too
        (0.8, [-math.log(0.2), -math.log(0.3)], 0),
    ],
)
def test_labels_follow_u(u, losses, positives):
    logits = [[math.log(p) for p in row] for row in ([0.1, 0.7, 0.2], [0.6, 0.1, 0.3])]
    (curve,) = compute_classifier_loss(recording(stage([0.55, 0.7], logits), ious=(u,))).curves
    assert (curve.name, curve.threshold, curve.positives, curve.rois) == (
        "stage 1",
        u,
        positives,
        2,
    )
    assert curve.loss.mean[[1, 4]].tolist() == pytest.approx(losses)
    assert curve.mean_loss == pytest.approx(np.mean(losses))
    assert curve.peak is None  # too few boxes


def test_labels():
    objects = makers.truth([[0, 0, 10, 10], [50, 0, 60, 10]], labels=[1, 0], ignored=[True, False])
    record = makers.image(objects, [makers.stage([[50, 0, 60, 6], [50, 0, 60, 5], part(1)])])
    inputs = stage_inputs(record, 0, 0.0)
    # The third box is on the ignored object only.
    assert labels_at(record, inputs, 0.6, 2).tolist() == [0, 2, 2]
    empty = makers.image(stages=[makers.stage([part(1)])])
    assert labels_at(empty, stage_inputs(empty, 0, 0.0), 0.6, 2).tolist() == [2]


def test_from_zero_on():
    made = recording(stage([0.05, 0.3, 0.9], [EVEN] * 3))
    (curve,) = compute_classifier_loss(made, start=0, width=0.1).curves
    assert curve.loss.count.tolist() == [1, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    assert curve.positives == 1 and curve.mean_loss == pytest.approx(math.log(4))


def test_most():
    made = recording(stage([0.6, 0.98, 1.0], [EVEN] * 3))
    assert compute_classifier_loss(made, most=0.975).curves[0].rois == 1


def test_stages_heads_and_detectors():
    # Head 1 is sure of the object, head 2 of background.
    first = stage([0.6], [sure(0.8)], others={1: [sure(0.1)]})
    second = stage([0.9], [sure(0.5)], head=1, others={0: [sure(0.4)]})
    made = recording(first, second, ious=(0.5, 0.7))
    own = compute_classifier_loss(made)
    assert [c.name for c in own.curves] == ["stage 1", "stage 2"]
    assert [c.mean_loss for c in own.curves] == pytest.approx([-math.log(0.8), -math.log(0.5)])
    heads = compute_head_losses(made)
    assert [c.name for c in heads.curves] == ["classifier 1", "classifier 2"]
    # For the second head, u = 0.7, the box of IoU 0.6 is background.
    assert [c.mean_loss for c in heads.curves] == pytest.approx([-math.log(0.8), -math.log(0.45)])
    later = compute_head_losses(made, stage=1)
    assert [c.mean_loss for c in later.curves] == pytest.approx([-math.log(0.4), -math.log(0.5)])
    with pytest.raises(InputError, match="no stage 2"):
        compute_head_losses(made, stage=2)
    named = compute_detector_losses({"x": made, "empty": makers.recording(), "y": made})
    assert [c.name for c in named.curves] == ["x", "y"]
    assert [c.mean_loss for c in named.curves] == pytest.approx([-math.log(0.8)] * 2)


def test_nothing_there():
    for made in (
        makers.recording(),
        makers.recording([makers.image(stages=[makers.stage()])]),
        makers.recording([makers.image(OBJECT, [makers.stage()])], CLASSES[:2]),
    ):
        for result in (compute_classifier_loss(made), compute_head_losses(made)):
            assert sum(curve.rois for curve in result.curves) == 0
            assert classifier_loss_findings(result) == ()
            assert len(classifier_loss_table(result).rows) == len(result.curves)
            assert plot_classifier_loss(result).axes[0].texts[0].get_text() == "no boxes"
            json.dumps(as_json(result), allow_nan=False)
    assert compute_detector_losses({}).curves == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0.07}, "width 0.07 do not fill"),
        ({"start": 0.6, "most": 0.55}, "most is an IoU above 0.6"),
        ({"start": 1}, "up to below 1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=message):
        compute_classifier_loss(makers.recording(), **settings)


def of_two():
    """A detector that is unsure near u = 0.5 and one that is near u = 0.7, in six images."""
    ious = [0.52, 0.72, 0.92] * 10
    unsure = [sure(p) for p in (0.4, 0.8, 0.9)] * 10
    later = [sure(p) for p in (0.1, 0.4, 0.9)] * 10
    return {
        "early": recording(stage(ious, unsure), images=6),
        "late": recording(stage(ious, later), images=6, ious=(0.7,)),
    }


def test_peak_and_findings():
    result = compute_detector_losses(of_two())
    assert [c.peak for c in result.curves] == [0, 4]
    assert classifier_loss_findings(result) == (
        "The classification loss of early, trained at u = 0.5, is highest (0.92) for boxes of IoU "
        "0.50 to 0.55 and lowest (0.11) for 0.90 to 0.95.",
        "The classification loss of late, trained at u = 0.7, is highest (0.92) for boxes of IoU "
        "0.70 to 0.75 and lowest (0.11) for 0.90 to 0.95.",
        # Background with probability 0.45 has less than 0.92.
        "For boxes of IoU 0.50 to 0.55 the classification loss of late is the lowest, each by its "
        "own labels.",
        "For boxes of IoU 0.70 to 0.75 the classification loss of early is the lowest, each by its "
        "own labels.",
    )


def test_no_peak_by_chance():
    # The means differ, but so do images.
    images = []
    for good in (0.2, 0.9, 0.3, 0.8, 0.4, 0.7):
        rows = [sure(good)] * 10 + [sure(good - 0.01)] * 10
        images += recording(stage([0.6] * 10 + [0.8] * 10, rows)).images
    result = compute_classifier_loss(makers.recording(images, CLASSES))
    assert result.curves[0].loss.mean[6] > result.curves[0].loss.mean[2]
    assert result.curves[0].peak is None and classifier_loss_findings(result) == ()


def test_table():
    table = classifier_loss_table(compute_detector_losses(of_two(), width=0.25))
    assert table.header == ("", "u", "boxes", "positives", "all", "0.50-0.75", "0.75-1.00")
    assert table.rows[1] == ("late", "0.7", "180", "120", "0.607", "0.857", "0.105")


def test_plot():
    axes, strip = plot_classifier_loss(compute_detector_losses(of_two()), "A title").axes
    assert axes.get_title() == "A title"
    first, u, second, other_u = axes.lines
    assert first.get_xdata().tolist() == pytest.approx([0.525, 0.725, 0.925])
    assert first.get_ydata().tolist() == pytest.approx([-math.log(p) for p in (0.4, 0.8, 0.9)])
    assert [line.get_color() for line in (first, second)] == list(LINE_COLORS[:2])
    assert [line.get_xdata()[0] for line in (u, other_u)] == [0.5, 0.7]
    assert min(axes.get_yticks()) == 0  # the strip of counts is below
    legend = [text.get_text() for text in axes.get_legend().texts]
    assert legend == ["early (u = 0.5)", "late (u = 0.7)"]
    assert len(strip.patches) == 2 * 10


def test_plot_of_heads():
    made = recording(stage([0.6], [EVEN], others={1: [EVEN]}), ious=(0.5, 0.7))
    axes, strip = plot_classifier_loss(compute_head_losses(made)).axes
    colors = [line.get_color() for line in axes.lines[::2]]
    assert colors == list(STAGE_COLORS[:2]) and len(strip.patches) == 10
