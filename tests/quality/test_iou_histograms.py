"""Counts and shares of training samples by IoU, on samples written by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.quality.iou_histograms import (
    compute_iou_histograms,
    iou_histograms_findings,
    iou_histograms_table,
    plot_iou_histograms,
)
from cascadekit.quality.tables import as_json
from cascadekit.visualization.plots import stage_color
from tests.quality import makers

BINS = (0.5, 0.6, 0.7, 1.0)


def result_of(*stages, images=1, bins=None, thresholds=(0.5, 0.6, 0.7)):
    return compute_iou_histograms(makers.sample_recording(stages, images), bins, thresholds)


def spread(shares, threshold, stage=0, total=1000):
    """Samples of which the given number has each IoU, the others 0.1."""
    ious = [iou for iou, count in shares.items() for _ in range(count)]
    return makers.samples([*ious, *[0.1] * (total - len(ious))], threshold, stage=stage)


def test_counts_and_shares():
    # Ten samples and one copy of ground truth, which counts nowhere but as a copy.
    ious = [0.0, 0.2, 0.4999, 0.5, 0.55, 0.6, 0.65, 0.7, 0.95, 1.0, 1.0]
    samples = makers.samples(ious, threshold=0.6, from_gt=[False] * 10 + [True])
    result = result_of(samples, images=4, bins=BINS)
    (stage,) = result.stages
    assert stage.counts.tolist() == [2, 2, 3]  # 0.7 and 0.6 are in the bins they begin
    assert stage.shares == (0.7, 0.5, 0.3)  # of all ten
    assert stage.share_u == stage.first_share_u == 0.5
    assert (stage.num_samples, stage.num_at_u, stage.num_copies) == (10, 5, 1)
    assert stage.samples_per_image == 2.5 and stage.positives_per_image == 1.25


def test_every_edge_begins_its_bin():
    """IoUs are float32, where 0.7 is less than 0.7."""
    edges = np.arange(20, 41) / 40
    (stage,) = result_of(makers.samples(edges.tolist())).stages
    assert stage.counts.tolist() == [1] * 19 + [2]  # the last bin has 0.975 and 1


@pytest.mark.parametrize(
    ("thresholds", "first", "bins"),
    [
        ((0.5, 0.6, 0.7), 0.5, 20),
        ((0.7,), 0.5, 20),  # the paper's axis, whatever the stage
        ((0.45, 0.65), 0.45, 22),  # a lower u is still on the axis
        ((0.44,), 0.425, 23),  # rounded down to an edge
        ((float(np.float32(0.45)),), 0.45, 22),  # 0.44999999
        ((), 0.5, 20),
    ],
)
def test_default_bins(thresholds, first, bins):
    stages = [makers.samples([0.5], u, stage=k) for k, u in enumerate(thresholds)]
    result = result_of(*stages)
    assert result.edges[0] == pytest.approx(first) and result.edges[-1] == 1
    np.testing.assert_allclose(np.diff(result.edges), 0.025)
    assert len(result.edges) == bins + 1


def test_positives_are_the_detectors_own():
    """A rule that makes the best box of an object a positive, too, is counted as it decided."""
    samples = makers.samples([0.2, 0.3, 0.8], threshold=0.5)
    samples = replace(samples, positive=torch.tensor([False, True, True]))
    (stage,) = result_of(samples).stages
    assert stage.positives_per_image == 2 and stage.num_at_u == 1


def test_the_first_stage_at_a_later_u():
    stages = result_of(
        makers.samples([0.5, 0.65, 0.65, 0.75], 0.5), makers.samples([0.8, 0.9], 0.7, stage=1)
    ).stages
    assert [s.first_share_u for s in stages] == [1.0, 0.25]
    assert stages[1].share_u == 1.0


@pytest.mark.parametrize(
    ("bins", "thresholds", "message"),
    [
        ((0.5,), (0.5,), "two or more ascending edges"),
        ((0.5, 0.5), (0.5,), "two or more ascending edges"),
        ((0.7, 0.5), (0.5,), "two or more ascending edges"),
        ((0.5, 1.1), (0.5,), r"in \[0, 1\], got 1.1"),
        ((0.5, 1.0), (-0.1,), r"in \[0, 1\], got -0.1"),
        ((0.5, 1.0), (math.nan,), r"in \[0, 1\], got nan"),
    ],
)
def test_bad_bins(bins, thresholds, message):
    with pytest.raises(InputError, match=message):
        result_of(makers.samples([0.5]), bins=bins, thresholds=thresholds)


NOTHING = [
    (),  # no stage
    (makers.samples([]),),  # no samples
    (makers.samples([1.0], from_gt=[True]),),  # a copy of ground truth alone
    (makers.samples([0.0, 0.1]),),  # no positives
    (makers.samples([0.5]),),  # one
]


@pytest.mark.parametrize("stages", NOTHING)
@pytest.mark.parametrize("images", [0, 2])
def test_nothing_to_count(stages, images):
    result = result_of(*stages, images=images)
    json.dumps(as_json(result), allow_nan=False)
    iou_histograms_findings(result)
    plot_iou_histograms(result).canvas.draw()
    assert len(iou_histograms_table(result).rows) == len(stages)
    for stage in result.stages:
        assert math.isnan(stage.share_u) == (stage.num_samples == 0)
        assert math.isnan(stage.positives_per_image) == (images == 0)


def test_table():
    result = result_of(spread({0.55: 100, 0.75: 50}, 0.5, total=999), images=10)
    table = iou_histograms_table(result)
    assert table.rows == (("stage 1", "0.5", "15.0", "5.0", "5.0", "15.0", "99.9", "15.0"),)
    assert len(table.header) == 8 and "10 images" in table.notes[0]


def test_table_beside_the_paper():
    result = result_of(spread({0.55: 100}, 0.5), thresholds=(0.5, 0.7, 0.9))
    rows = iou_histograms_table(result, paper=True).rows
    assert rows[1:] == (
        ("paper, stage 1", "0.5", "16.7", "2.9", "-", "16.7", "-", "-"),
        ("paper, stage 2", "0.6", "25.6", "17.3", "-", "21.7", "-", "-"),
        ("paper, stage 3", "0.7", "28.0", "21.7", "-", "21.7", "-", "-"),
    )


# What the paper's percentages say, as samples: 16.7, 8.0, 2.9 % and so on of a thousand.
PAPER = (
    spread({0.55: 87, 0.65: 51, 0.75: 29}, 0.5),
    spread({0.55: 39, 0.65: 44, 0.75: 173}, 0.6, stage=1),
    spread({0.55: 29, 0.65: 34, 0.75: 217}, 0.7, stage=2),
)


def test_findings_on_the_papers_numbers():
    assert iou_histograms_findings(result_of(*PAPER)) == (
        "At stage 1 positives collapse with rising u: 16.7 % of the samples reach 0.5, 2.9 % "
        "reach 0.7.",
        "At stage 2 positives stay level: 21.7 % of its samples reach u = 0.6, beside 16.7 % at "
        "stage 1's u = 0.5; of stage 1's samples 8.0 % reach 0.6.",
        "At stage 3 positives stay level: 21.7 % of its samples reach u = 0.7, beside 16.7 % at "
        "stage 1's u = 0.5; of stage 1's samples 2.9 % reach 0.7.",
    )


@pytest.mark.parametrize(
    ("later", "word"),
    [(99, "collapse"), (101, "fall"), (149, "fall"), (151, "stay level"), (267, "rise")],
)
def test_words_for_a_later_stage(later, word):
    """Beside 200 positives of stage 1: half, three quarters, four thirds."""
    stages = spread({0.55: 200}, 0.5), spread({0.75: later}, 0.7, stage=1)
    found = [f for f in iou_histograms_findings(result_of(*stages)) if "At stage 2" in f]
    assert len(found) == 1 and f"At stage 2 positives {word}:" in found[0]


@pytest.mark.parametrize(("high", "word"), [(99, "collapse"), (101, "fall"), (151, "hold out")])
def test_words_for_a_higher_u(high, word):
    (found,) = iou_histograms_findings(result_of(spread({0.55: 200 - high, 0.75: high}, 0.5)))
    assert f"positives {word} with rising u" in found


def test_no_word_for_a_u_that_is_the_highest():
    assert iou_histograms_findings(result_of(spread({0.75: 200}, 0.7))) == ()


@pytest.mark.parametrize(
    ("stage", "images", "text"),
    [
        (makers.samples([0.2, 0.4]), 1, "no positives but ground truth: none of its 2 samples"),
        (makers.samples([0.6, 0.1]), 4, "only 0.25 positives per image"),
        (makers.samples([]), 3, "no samples but ground truth in 3 images"),
    ],
)
def test_findings_of_a_stage_that_cannot_learn(stage, images, text):
    (found,) = iou_histograms_findings(result_of(stage, images=images))
    assert found.startswith("Stage 1 has ") and text in found


def test_few_samples_say_nothing():
    stages = makers.samples([0.55] * 49), makers.samples([0.75] * 49, 0.7, stage=1)
    assert iou_histograms_findings(result_of(*stages)) == ()
    assert iou_histograms_findings(result_of()) == ()


def test_plot():
    figure = plot_iou_histograms(result_of(*PAPER))
    assert [axis.get_title() for axis in figure.axes] == [
        "Stage 1, u = 0.5",
        "Stage 2, u = 0.6",
        "Stage 3, u = 0.7",
    ]
    heights = [[bar.get_height() for bar in axis.patches] for axis in figure.axes]
    assert [sum(row) for row in heights] == [167, 256, 280]
    assert heights[1][2] == 39 and heights[1][10] == 173  # bins from 0.55 and 0.75
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    second = figure.axes[1]
    assert second.patches[0].get_facecolor()[:3] == pytest.approx(
        tuple(int(stage_color(1)[i : i + 2], 16) / 255 for i in (1, 3, 5))
    )
    # Bars from u on are in full colour, those below are pale.
    alphas = [bar.get_alpha() for bar in second.patches]
    assert alphas == [0.35] * 4 + [1.0] * 16
    texts = {text.get_text(): text for text in second.texts}
    assert set(texts) == {"25.6 %", "21.7 %", "17.3 %"}
    assert texts["21.7 %"].get_weight() == "bold" and texts["21.7 %"].xy[0] == 0.6
    assert texts["25.6 %"].get_weight() == "normal"
    assert sorted({line.get_xdata()[0] for line in second.lines}) == [0.5, 0.6, 0.7]


def test_shares_that_would_lie_on_each_other_do_not():
    figure = plot_iou_histograms(result_of(spread({0.75: 10}, 0.58)))
    heights = {text.xy for text in figure.axes[0].texts}
    assert (0.58, 0.91) in heights and (0.6, 0.98) in heights


def test_plot_of_an_empty_stage():
    figure = plot_iou_histograms(result_of(makers.samples([])))
    assert [text.get_text() for text in figure.axes[0].texts] == ["no samples"]
    assert plot_iou_histograms(result_of()).axes[0].get_title() == "no stages"
