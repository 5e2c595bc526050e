import functools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from cascadekit.quality.cascade_forecast import (
    HELP,
    LABELS,
    LITTLE,
    UNCLEAR,
    cascade_forecast_findings,
    cascade_forecast_table,
    compute_cascade_forecast,
    plot_cascade_forecast,
)
from cascadekit.quality.proposal_quality import compute_proposal_quality
from cascadekit.quality.tables import as_json
from tests.quality import makers

CORNERS = ((100, 100), (400, 100), (100, 400), (400, 400))


@functools.cache
def detector(label, model, images=40, rois=6, size=100.0, found=1.0, seed=0):
    """Four objects an image; labels and boxes are off the true edges by normal errors.

    Args:
        label: std of the labels' errors, in sizes of the object.
        model: std of what all boxes of an object share, and of what each has of its own.
        images: how many.
        rois: per object; their IoU with the object is .74 before the regressor.
        size: of the objects, pixels.
        found: share of objects that have rois at all.
        seed: of all errors.
    """
    draw = np.random.default_rng(seed)
    recorded = []
    for _ in range(images):
        labels, before, after, scores = [], [], [], []
        for x, y in CORNERS:
            edges = np.array([x, y, x + size, y + size])
            labels.append(edges + size * label * draw.normal(size=4))
            if draw.random() >= found:
                continue
            start = edges + size * np.array([0.15, 0, 0.15, 0]) * draw.choice([-1, 1], (rois, 1))
            seen = edges + size * model * draw.normal(size=4)
            before += start.tolist()
            after += (seen + size * model * draw.normal(size=(rois, 4))).tolist()
            scores += [[5.0, 0.0]] + [[-5.0, 0.0]] * (rois - 1)  # one roi speaks for each object
        stage = makers.stage(before, after, logits={0: scores})
        truth = makers.truth([each.tolist() for each in labels])
        recorded.append(makers.image(truth, [stage], size=(600, 600)))
    # As a detector would have it: with a score threshold.
    return replace(makers.recording(recorded), postprocess=_confident)


def _confident(boxes, scores, info):
    found = makers.keep_all(boxes, scores, info)
    return found[found.scores > 0.5]


@functools.cache
def known(label, model):
    """The forecast of a detector, made once for all tests."""
    return compute_cascade_forecast(detector(label, model))


def votes(result):
    return {e.name: e.vote for e in result.evidence}


@pytest.mark.parametrize(
    ("label", "model", "verdict"),
    [
        (0.0, 0.04, HELP),  # exact labels, an unsteady regressor
        (0.01, 0.04, HELP),  # labels as good as a careful hand
        (0.06, 0.02, LABELS),  # loose labels, a steady regressor
        (0.06, 0.001, LABELS),  # boxes all agree
        (0.0, 0.002, LITTLE),  # all is tight
    ],
)
def test_the_verdict(label, model, verdict):
    result = known(label, model)
    assert result.verdict == verdict, cascade_forecast_table(result).text()
    assert result.confidence == "low"  # nothing seen of the training pictures


def test_training_pictures_make_it_surer():
    loose, tight = detector(0.06, 0.02), detector(0.0, 0.04)
    result = compute_cascade_forecast(loose, trained_on=detector(0.06, 0.02, seed=1))
    assert (result.verdict, result.confidence) == (LABELS, "fair")
    # New pictures look loose and those trained on do not: blind, or labels learned by heart.
    result = compute_cascade_forecast(loose, trained_on=tight)
    assert (result.verdict, result.confidence) == (UNCLEAR, "low")
    assert "does not decide" in " ".join(cascade_forecast_findings(result))


@pytest.mark.parametrize(
    ("kwargs", "why"),
    [
        ({"images": 10}, "Only 40 objects with three or more rois in 10 images"),
        ({"images": 0}, "Only 0 objects"),
        ({"rois": 2}, "Only 0 objects"),
        ({"found": 0.2, "images": 130}, "finds too little"),
    ],
)
def test_too_little_to_go_by(kwargs, why):
    result = compute_cascade_forecast(detector(0.0, 0.04, **kwargs))
    assert result.verdict == UNCLEAR
    headline, *reasons = cascade_forecast_findings(result)
    assert headline.startswith("Cannot tell") and any(why in reason for reason in reasons)


def test_proposals_alone_say_nothing():
    recording = detector(0.0, 0.04)
    images = [
        replace(image, stages=(replace(image.stages[0], boxes_by_head={}),))
        for image in recording.images
    ]
    result = compute_cascade_forecast(replace(recording, images=tuple(images)))
    assert result.verdict == UNCLEAR
    assert "no regressor" in cascade_forecast_findings(result)[1]


def test_what_scatter_costs():
    result = known(0.0, 0.04)
    # Edges err by .057 now, and by .04 at the mean of an object's boxes.
    assert result.gathered["AP"] > result.scores["AP"] + 0.05
    assert result.gathered["AP50"] == pytest.approx(1.0)
    assert result.agreement == pytest.approx(0.89, abs=0.02)  # by 4 x .8 x .04 less than 1
    assert votes(result)["scatter"] == "for"


def test_a_regressor_that_harms_leaves_it_open():
    recording = detector(0.0, 0.04)
    # All boxes down and to the right by 12 pixels of 100: an IoU of about .6, from .74.
    images = []
    for image in recording.images:
        stage = image.stages[0]
        worse = stage.output_boxes + stage.output_boxes.new_tensor([12.0, 12, 12, 12])
        images.append(replace(image, stages=(replace(stage, output_boxes=worse),)))
    result = compute_cascade_forecast(replace(recording, images=tuple(images)))
    assert votes(result)["regressor"] == "against"
    assert result.verdict != HELP


def test_of_a_cascade_the_first_stage_counts():
    recording = detector(0.0, 0.04)
    perfect = [
        replace(
            image,
            stages=(image.stages[0], replace(image.stages[0], head=1)),
            detections={"1~2": makers.found(image.truth.boxes.tolist())},
        )
        for image in recording.images
    ]
    cascade = replace(recording, images=tuple(perfect), final="1~2")
    assert compute_cascade_forecast(cascade).scores == known(0.0, 0.04).scores


def test_small_objects_leave_it_open():
    result = compute_cascade_forecast(detector(0.0, 0.04, size=12.0))
    assert votes(result)["sizes"] == "open" and result.verdict == UNCLEAR
    text = next(e.text for e in result.evidence if e.name == "sizes")
    assert "12 pixels" in text and "100 % are below 20" in text


def test_positives_of_later_stages_have_a_vote():
    recording = detector(0.0, 0.04)
    quality = compute_proposal_quality(recording)
    assert votes(compute_cascade_forecast(recording, quality=quality))["positives"] == "for"
    few = replace(
        quality,
        choices=tuple(replace(choice, positives_per_image=0.4) for choice in quality.choices),
    )
    result = compute_cascade_forecast(recording, quality=few)
    assert votes(result)["positives"] == "open" and result.verdict == UNCLEAR


def test_ground_truth_among_the_proposals_has_no_vote():
    recording = detector(0.0, 0.04)
    result = compute_cascade_forecast(recording, with_truth=recording)
    assert votes(result)["ground truth added"] == "no vote" and result.verdict == HELP
    assert result.with_truth == result.scores


def test_table_and_findings():
    result = known(0.06, 0.02)
    table = cascade_forecast_table(result)
    assert table.header == ("", "AP", "AP50", "AP75", "AP90") and len(table.rows) == 2
    assert any(note.startswith("labels (against): On new images") for note in table.notes)
    found = cascade_forecast_findings(result)
    assert found[0] == (
        "A cascade will hardly help: labels are too loose to reward tight boxes (confidence: low)."
    )
    assert "or this model cannot see" in found[-1]


def test_the_plot():
    recording = detector(0.06, 0.02)
    result = compute_cascade_forecast(recording, trained_on=recording)
    errors, scores = plot_cascade_forecast(result).axes
    heights = [bar.get_height() for bar in errors.patches]
    assert len(heights) == 6 and sum(heights[:3]) == pytest.approx(100)  # two stacks of three
    assert heights[0] == pytest.approx(100 * result.held_out.share)
    assert [t.get_text() for t in errors.get_xticklabels()] == ["new images", "images\ntrained on"]
    drawn = [bar.get_height() for bar in scores.patches]
    assert drawn == pytest.approx(
        [100 * v for v in (*result.scores.values(), *result.gathered.values())]
    )
    errors, _ = plot_cascade_forecast(known(0.06, 0.02)).axes
    assert len(errors.patches) == 3  # nothing known of trained-on images


def test_nothing_at_all():
    result = compute_cascade_forecast(makers.recording())
    plot_cascade_forecast(result)
    assert result.verdict == UNCLEAR and math.isnan(result.scores["AP"])
    cascade_forecast_table(result).text()
    json.dumps(as_json(result), allow_nan=False)
