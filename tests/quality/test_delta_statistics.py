"""Means and stds of regression targets, on samples written by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.quality.delta_statistics import (
    compute_delta_statistics,
    config_lines,
    delta_statistics_findings,
    delta_statistics_table,
    implied_stds,
    plot_delta_statistics,
)
from cascadekit.quality.tables import as_json
from tests.quality import makers

NAN = math.nan


def result_of(*stages, floor=0.5, max_points=1000):
    return compute_delta_statistics(makers.sample_recording(stages), floor, max_points)


def bulk(rings, threshold, stage=0, stds=(0.1, 0.1, 0.2, 0.2), mean=0.0, count=200):
    """`count` samples for each IoU of `rings`, with deltas of the std given for it.

    Half lie at mean + std and half at mean - std, in all four deltas at once.
    """
    ious, deltas = [], []
    for iou, std in rings.items():
        for sign in (1, -1):
            ious += [iou] * (count // 2)
            deltas += [[mean + sign * std * unit for unit in (1, 1, 2, 2)]] * (count // 2)
    return makers.samples(ious, threshold, deltas=deltas, stage=stage, stds=stds)


def test_means_and_stds():
    samples = makers.samples(
        [0.5, 0.6, 0.7, 0.49, 0.0, 1.0],
        threshold=0.6,
        from_gt=[False] * 5 + [True],
        deltas=[
            [0.3, 0.0, 0.1, 0.0],  # fails u
            [0.1, 0.0, 0.1, -0.2],
            [0.3, 0.0, 0.1, 0.2],
            [9.0, 9.0, 9.0, 9.0],  # below the floor
            [NAN] * 4,  # no object
            [0.0] * 4,  # a copy of ground truth
        ],
        stds=(0.1, 0.1, 0.2, 0.2),
    )
    samples = replace(samples, means=(0.1, 0.0, 0.0, 0.0))
    (stage,) = result_of(samples).stages
    assert (stage.kept.count, stage.uncut.count) == (2, 3)
    assert stage.kept.mean == pytest.approx((0.2, 0, 0.1, 0))
    root = math.sqrt(2)  # two values 2 d apart: d times the root of 2
    assert stage.kept.std == pytest.approx((0.1 * root, 0, 0, 0.2 * root), abs=1e-7)
    assert stage.uncut.mean == pytest.approx((0.7 / 3, 0, 0.1, 0))
    assert stage.ratios == pytest.approx((root, 0, 0, root), abs=1e-6)
    assert stage.shifts == pytest.approx((1, 0, 0.5, 0), abs=1e-6)
    assert not stage.drifted  # two samples tell nothing
    np.testing.assert_allclose(stage.sample[:, 0], [0.3, 0.1, 0.3])
    assert stage.sample_kept.tolist() == [False, True, True]


def test_an_iou_of_u_reaches_u():
    """IoUs are float32, where 0.7 is less than 0.7."""
    (stage,) = result_of(makers.samples([0.7, 0.7], threshold=0.7)).stages
    assert stage.kept.count == 2


def test_a_u_below_the_floor():
    (stage,) = result_of(makers.samples([0.4, 0.46, 0.5], threshold=0.45)).stages
    assert stage.kept == stage.uncut and stage.kept.count == 2
    # It is the floor of all stages then.
    samples = [makers.samples([0.46, 0.4], u, stage=k) for k, u in enumerate((0.45, 0.6))]
    result = result_of(*samples)
    assert result.floor == 0.45 and result.stages[1].uncut.count == 1
    assert delta_statistics_table(result).rows[5][0] == "stage 2, IoU >= 0.45 (uncut)"


def test_the_first_stage_cut_at_a_later_u():
    first = bulk({0.55: 0.2, 0.75: 0.1}, 0.5)
    stages = result_of(first, bulk({0.65: 0.05, 0.9: 0.01}, 0.7, stage=1)).stages
    n = 200
    assert stages[0].first_cut == stages[0].kept
    assert stages[1].first_cut.count == n
    assert stages[1].first_cut.std[0] == pytest.approx(0.1 * math.sqrt(n / (n - 1)), rel=1e-5)
    assert stages[1].kept.std[2] == pytest.approx(0.02 * math.sqrt(n / (n - 1)), rel=1e-5)
    assert stages[1].uncut.count == 2 * n


@pytest.mark.parametrize(("floor", "count"), [(0.0, 4), (0.3, 3), (0.5, 2), (1.0, 1)])
def test_floor(floor, count):
    """A floor above u leaves the stage's positives, which the regressor learns from."""
    samples = makers.samples([0.1, 0.4, 0.5, 0.7], threshold=0.6)
    assert result_of(samples, floor=floor).stages[0].uncut.count == count


@pytest.mark.parametrize(
    ("floor", "points", "message"),
    [(1.5, 10, "got 1.5"), (-0.1, 10, "got -0.1"), (NAN, 10, "got nan"), (0.5, -1, "got -1")],
)
def test_bad_numbers(floor, points, message):
    with pytest.raises(InputError, match=message):
        result_of(floor=floor, max_points=points)


NOTHING = [
    (),  # no stage
    (makers.samples([]),),  # no samples
    (makers.samples([1.0], from_gt=[True]),),  # a copy of ground truth alone
    (makers.samples([0.0, 0.2]),),  # no positives
    (makers.samples([0.8]),),  # one, which has no std
    (makers.samples([0.8, 0.8]),),  # two alike
    (makers.samples([0.8, 0.8]), makers.samples([], 0.6, stage=1)),
    (makers.samples([0.8] * 200), makers.samples([0.9] * 200, 0.6, stage=1)),  # std 0
]


@pytest.mark.parametrize("stages", NOTHING)
@pytest.mark.filterwarnings("error")
def test_nothing_to_measure(stages):
    result = result_of(*stages)
    json.dumps(as_json(result), allow_nan=False)
    delta_statistics_findings(result)
    plot_delta_statistics(result).canvas.draw()
    delta_statistics_table(result, paper=True).text()
    assert implied_stds(result) == tuple(tuple(s.stds) for s in stages)  # those in use
    for stage in result.stages:
        assert math.isnan(stage.kept.mean[0]) == (stage.kept.count == 0)
        assert math.isnan(stage.kept.std[0]) == (stage.kept.count < 2)


def test_points_are_few_and_always_the_same():
    generator = torch.Generator().manual_seed(0)
    deltas = torch.randn(1000, 4, generator=generator)
    samples = replace(makers.samples([0.55] * 600 + [0.65] * 400, 0.6), deltas=deltas)
    first, again = (result_of(samples, max_points=100).stages[0] for _ in range(2))
    assert first.sample.shape == (100, 4)
    assert (first.sample == again.sample).all()
    assert 20 < first.sample_kept.sum() < 60  # 40 of 100, by lot
    known = {tuple(row) for row in deltas.double().numpy().round(4).tolist()}
    assert {tuple(row) for row in first.sample.tolist()} <= known
    assert len({tuple(row) for row in first.sample.tolist()}) == 100
    assert result_of(samples, max_points=0).stages[0].sample.shape == (0, 4)
    # Statistics are of all samples, whatever is drawn.
    assert first.kept == result_of(samples).stages[0].kept


@pytest.mark.parametrize(
    ("std", "mean", "count", "drifted"),
    [
        (0.1, 0.0, 200, False),
        (0.149, 0.0, 200, False),
        (0.151, 0.0, 200, True),
        (0.068, 0.0, 200, False),
        (0.066, 0.0, 200, True),
        (0.2, 0.0, 98, False),  # too few to say so
        (0.1, 0.0495, 200, False),
        (0.1, -0.0505, 200, True),  # dx and dy by half a std
    ],
)
def test_drift(std, mean, count, drifted):
    result = result_of(bulk({0.8: std}, 0.5, mean=mean, count=count))
    assert result.stages[0].drifted is drifted
    assert ("(!)" in delta_statistics_table(result).text()) is drifted
    found = " ".join(delta_statistics_findings(result))
    assert ("stds are off by" in found or "off centre" in found) is drifted
    assert ("delta_stds fit: " in found) is (not drifted and count >= 100)


def test_config_lines():
    result = result_of(
        bulk({0.8: 0.1234}, 0.5),
        bulk({0.8: 0.0606}, 0.6, stage=1, stds=(0.05, 0.05, 0.1, 0.1)),
        bulk({0.8: 0.5}, 0.7, stage=2, stds=(0.1 / 3, 0.1 / 3, 0.2 / 3, 0.2 / 3), count=8),
    )
    lines = config_lines(result)
    assert lines == (
        "delta_stds=[",
        "    (0.12, 0.12, 0.25, 0.25),  # stage 1, measured on 200 samples",
        "    (0.061, 0.061, 0.12, 0.12),  # stage 2, measured on 200 samples",
        "    (0.0333, 0.0333, 0.0667, 0.0667),  # stage 3, as before: only 8 samples",
        "],",
    )
    config = eval("dict(\n" + "\n".join(lines) + "\n)")  # as it stands in a config
    assert config == {"delta_stds": list(implied_stds(result))}


def test_the_roi_head_takes_them():
    from cascadekit.models.roi_heads.stage_settings import stage_coders

    stds = implied_stds(result_of(bulk({0.8: 0.1}, 0.5), bulk({0.8: 0.05}, 0.6, stage=1)))
    assert [coder.stds for coder in stage_coders(list(stds), 2)] == list(stds)


def test_table():
    # Stds of 200 samples are 1.0025 times their deltas.
    rows = delta_statistics_table(
        result_of(bulk({0.55: 0.1, 0.65: 0.1}, 0.5), bulk({0.55: 0.1, 0.65: 0.05}, 0.6, stage=1))
    ).rows
    assert [row[:2] for row in rows] == [
        ("stage 1, IoU >= u = 0.5", "400"),
        ("stage 1, IoU >= 0.5 (uncut)", "400"),
        ("stage 1, in use", ""),
        ("stage 1, measured / in use", ""),
        ("stage 2, IoU >= u = 0.6", "200"),
        ("stage 2, IoU >= 0.5 (uncut)", "400"),
        ("stage 2, stage 1's samples cut at 0.6", "200"),
        ("stage 2, in use", ""),
        ("stage 2, measured / in use (!)", ""),
    ]
    assert rows[4][6:] == ("0.0501", "0.0501", "0.1003", "0.1003")
    assert rows[7][2:] == ("0.0000",) * 4 + ("0.1000", "0.1000", "0.2000", "0.2000")
    assert rows[8][6:] == ("0.50",) * 4


def test_table_beside_the_paper():
    table = delta_statistics_table(result_of(), paper=True)
    assert [row[0] for row in table.rows] == [
        f"paper, stage {k}, outliers removed" for k in (1, 2, 3)
    ]
    assert table.rows[1][1:] == (
        *("-", "0.0048", "-0.0012", "-0.0007", "0.0122"),
        *("0.0606", "0.0613", "0.1221", "0.1230"),
    )


def test_shrinkage_of_an_untrained_model_is_the_cut():
    """Boxes that nothing moved: stage 2 sees stage 1's samples, and only the cut differs."""
    rings = {0.55: 0.2, 0.65: 0.1}
    same = {"stage": 1, "stds": (0.1, 0.1, 0.2, 0.2)}
    found = delta_statistics_findings(result_of(bulk(rings, 0.5), bulk(rings, 0.6, **same)))
    # Stage 1: root of (0.04 + 0.01) / 2 = 0.158; 0.1 is 0.63 of it.
    assert found[0] == (
        "The spread of deltas at stage 2 is 0.63 times that of stage 1 (1.00 times from IoU 0.5 "
        "on). Cutting stage 1's own samples at 0.6 alone gives 0.63, so better boxes add little "
        "(times 1.00)."
    )


def test_shrinkage_by_better_boxes():
    stages = bulk({0.55: 0.1, 0.65: 0.1}, 0.5), bulk({0.55: 0.05, 0.65: 0.05}, 0.6, stage=1)
    found = delta_statistics_findings(result_of(*stages))
    assert found[0].startswith(
        "The spread of deltas at stage 2 is 0.50 times that of stage 1 (0.50"
    )
    assert found[0].endswith("at 0.6 alone gives 1.00; better boxes do the rest (times 0.50).")


def test_no_shrinkage():
    stages = bulk({0.65: 0.1}, 0.5), bulk({0.65: 0.12}, 0.5, stage=1)
    found = delta_statistics_findings(result_of(*stages))
    assert found[0] == (
        "The spread of deltas at stage 2 is 1.20 times that of stage 1 (1.20 times from IoU 0.5 "
        "on): it does not shrink."
    )


def test_shrinkage_where_stage_1_has_no_such_boxes():
    stages = bulk({0.55: 0.1}, 0.5), bulk({0.75: 0.04}, 0.7, stage=1)
    found = delta_statistics_findings(result_of(*stages))
    assert found[0] == (
        "The spread of deltas at stage 2 is 0.40 times that of stage 1 (0.40 times from IoU 0.5 "
        "on). Only 0 of stage 1's own samples reach 0.7: too few to tell what the cut alone does."
    )


def test_findings_name_what_does_not_fit():
    samples = bulk({0.8: 0.3}, 0.5, stds=(0.1, 0.3, 0.6, 0.6))
    deltas = samples.deltas + torch.tensor([0.0, 0.0, 0.0, -0.6])
    found = delta_statistics_findings(result_of(replace(samples, deltas=deltas)))
    assert found == (
        "Stage 1's delta_stds are off by more than a factor of 1.5: measured dx 0.301 for "
        "0.100 in use.",
        "Stage 1's deltas are off centre, in stds in use: dh by -1.00.",
    )


def test_findings_of_few_samples():
    stages = bulk({0.8: 0.1}, 0.5), bulk({0.8: 0.1}, 0.6, stage=1, count=98)
    found = delta_statistics_findings(result_of(*stages))
    assert found == (
        "Stage 2 has 98 samples at u = 0.6: too few for its statistics (100 are wanted).",
        "delta_stds fit: measured stds are 1.00 to 1.00 times those in use.",
    )
    assert delta_statistics_findings(result_of()) == ()


def test_plot():
    stages = bulk({0.55: 0.3, 0.65: 0.1}, 0.5), bulk({0.55: 0.2, 0.65: 0.05}, 0.6, stage=1)
    figure = plot_delta_statistics(result_of(*stages))
    assert [axis.get_title() for axis in figure.axes] == [
        "Stage 1, u = 0.5",
        "Stage 2, u = 0.6",
        "",
        "",
    ]
    labels = [(axis.get_xlabel(), axis.get_ylabel()) for axis in figure.axes]
    assert labels == [("dx", "dy")] * 2 + [("dw", "dh")] * 2
    assert [axis.get_xlim() for axis in figure.axes] == [(-0.5, 0.5)] * 2 + [(-1.0, 1.0)] * 2
    kept, outliers = figure.axes[1].lines
    assert set(kept.get_xdata()) == {0.05, -0.05} and set(outliers.get_ydata()) == {0.2, -0.2}
    assert set(figure.axes[3].lines[0].get_xdata()) == {0.1, -0.1}  # dw
    assert [len(axis.lines[1].get_xdata()) for axis in figure.axes] == [0, 200, 0, 200]
    assert [text.get_text() for text in figure.axes[1].texts] == [
        "dx: mean +0.000, std 0.050",
        "dy: mean +0.000, std 0.050",
        "red: 50 % fail u",
    ]
    assert [text.get_text()[:6] for text in figure.axes[2].texts] == ["dw: me", "dh: me", "dashed"]
    assert len(figure.axes[3].texts) == 2
    (in_use,) = figure.axes[2].patches
    assert in_use.width == pytest.approx(0.8)  # twice 0.2 to either side


def test_a_mean_just_below_zero_has_no_minus():
    axis = plot_delta_statistics(result_of(bulk({0.8: 0.1}, 0.5, mean=-0.0001))).axes[0]
    assert axis.texts[0].get_text() == "dx: mean +0.000, std 0.100"


def test_plot_of_nothing():
    assert plot_delta_statistics(result_of()).axes[0].get_title() == "no stages"
    axis = plot_delta_statistics(result_of(makers.samples([]))).axes[0]
    assert [text.get_text() for text in axis.texts] == ["dx: mean -, std -", "dy: mean -, std -"]
