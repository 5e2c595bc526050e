import json
import math

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.proposal_quality import (
    compute_proposal_quality,
    plot_proposal_quality,
    proposal_quality_findings,
    proposal_quality_table,
)
from cascadekit.quality.stage_arrivals import Sampling
from cascadekit.quality.tables import as_json
from cascadekit.visualization.plots import stage_color
from tests.quality import makers

OBJECT = [0, 0, 100, 100]


def shifted(share):
    """The object, moved to the right by a share of its width."""
    return [100 * share, 0, 100 + 100 * share, 100]


def detector(images=20, positives=10, background=30):
    """Each image: boxes shifted by 1/4 (IoU .6) that a regressor brings to 1/19 (IoU .9)."""
    far = [[500 + i, 500, 600 + i, 600] for i in range(background)]
    start = [shifted(0.25)] * (positives // 2) + [shifted(-0.25)] * (positives // 2)
    end = [shifted(1 / 19)] * (positives // 2) + [shifted(-1 / 19)] * (positives // 2)
    one = makers.image(makers.truth([OBJECT]), [makers.stage([*start, *far], [*end, *far])])
    return makers.recording([one] * images)


def test_measured_stages():
    result = compute_proposal_quality(detector(), stages=2)
    first, second = result.choices
    # All 40 proposals are drawn: 10 of them positive.
    assert first.share == second.share == pytest.approx(0.25)
    assert first.positives_per_image == pytest.approx(10)
    assert (first.u, second.u) == (0.5, 0.8)  # the last may go to .8
    assert result.supported == pytest.approx(0.6)  # nothing lies above
    assert result.supported_later == pytest.approx(0.9)
    assert result.left == pytest.approx(4 / 19)  # an error of 1/4 became one of 1/19
    # Half of the objects lie a quarter to the right, half to the left.
    assert first.means == pytest.approx((0, 0, 0, 0), abs=1e-6)
    assert first.stds == pytest.approx((0.25, 0, 0, 0), abs=1e-6)
    assert second.stds == pytest.approx((1 / 19, 0, 0, 0), abs=1e-6)
    assert first.count == 200
    assert not first.enough  # a coder cannot take a std of 0
    assert (first.share_low, first.share_high) == pytest.approx((0.25, 0.25))  # images are alike


def test_what_nobody_trained_is_marked():
    result = compute_proposal_quality(detector())
    assert [c.basis for c in result.choices] == ["measured", "measured", "extrapolated"]
    third = result.choices[2]
    # Errors shrink once more, by less than before.
    assert 1 / 19 * 4 / 19 < third.stds[0] < 1 / 19
    found = " ".join(proposal_quality_findings(result))
    assert "Stage 3: extrapolated" in found and "0.21 of a box's error (measured here)" in found


def test_samples_and_their_own_first_threshold():
    samples = makers.sample_recording([makers.samples([0.45, 0.45, 0.1, 0.0], threshold=0.45)])
    result = compute_proposal_quality(samples=samples, stages=1)
    assert (result.choices[0].u, result.choices[0].share) == (0.45, 0.5)
    assert math.isnan(result.choices[0].share_low)  # nobody knows which image they are from


def test_a_recording_is_drawn_from_as_the_samples_were():
    # Two images with 8 rois each, a quarter positive: the recording's 40 are drawn so too.
    samples = makers.sample_recording([makers.samples([0.6] * 4 + [0.1] * 12)], num_images=2)
    result = compute_proposal_quality(detector(), samples, stages=2)
    assert [c.rois_per_image for c in result.curves] == pytest.approx([8, 8 - 2 / 11])


def test_sampling_counts():
    # 20 rois, at most 5 positive: 10 proposals and the copy of the object share 5 places.
    result = compute_proposal_quality(detector(), stages=1, sampling=Sampling(20, 0.25, 0.5))
    drawn = 10 * 5 / 11
    assert result.choices[0].positives_per_image == pytest.approx(drawn)
    assert result.choices[0].share == pytest.approx(drawn / (drawn + 15))


def test_findings_have_the_numbers():
    found = proposal_quality_findings(compute_proposal_quality(detector(), stages=2))
    assert found[0].startswith("The proposals support thresholds up to 0.60, where 5.0 % ")
    assert "25.0 % of the rois reach .5, 25.0 % reach .6, 0.0 % reach .7" in found[0]
    assert "u = 0.50 / 0.80 would have 25.0 %, 25.0 % positives, 10.0 per image" in found[1]
    assert not any("assumed" in each for each in found)


def test_few_positives_are_said():
    found = proposal_quality_findings(compute_proposal_quality(detector(images=2), stages=1))
    assert "20 positives at u = 0.50: too few" in found[-1]


def test_no_support():
    far = makers.image(makers.truth([OBJECT]), [makers.stage([[500, 500, 600, 600]])])
    result = compute_proposal_quality(makers.recording([far]), stages=2)
    assert math.isnan(result.supported)
    assert "support no threshold" in proposal_quality_findings(result)[0]


def test_the_plot():
    result = compute_proposal_quality(detector())
    shares, positives = plot_proposal_quality(result).axes
    lines = {line.get_label(): line for line in shares.lines}
    first, third = lines["stage 1"], lines["stage 3, extrapolated"]
    assert first.get_color() == stage_color(0) and first.get_linestyle() == "-"
    assert third.get_linestyle() == "--"
    assert first.get_ydata() == pytest.approx(100 * result.curves[0].shares)
    assert [t.get_text() for t in shares.texts] == ["0.50", "0.65", "0.80"]
    assert [bar.get_height() for bar in positives.patches] == pytest.approx([10, 10, 10])
    assert positives.get_xticklabels()[1].get_text() == "stage 2\nu = 0.65"


def test_the_table():
    table = proposal_quality_table(compute_proposal_quality(detector(), stages=2))
    row = dict(zip(table.header, table.rows[1], strict=True))
    assert row["u"] == "0.80" and row["positives (%)"] == "25.0" and row["basis"] == "measured"
    assert row["stds"] == "0.053, 0.000, 0.000, 0.000"
    assert "refined 1 time" in table.notes[1]


@pytest.mark.parametrize(
    "recording",
    [
        makers.recording(),  # no images
        makers.recording([makers.image(makers.truth([OBJECT]), [makers.stage()])]),  # no rois
        makers.recording([makers.image(makers.truth(), [makers.stage([OBJECT])])]),  # no objects
        makers.recording([makers.image(makers.truth([[3, 3, 4, 4]]), [makers.stage([OBJECT])])]),
    ],
)
def test_little_to_go_by(recording):
    result = compute_proposal_quality(recording)
    plot_proposal_quality(result)
    proposal_quality_table(result).text()
    proposal_quality_findings(result)
    json.dumps(as_json(result), allow_nan=False)
    assert len(result.choices) == 3


def test_no_stages_at_all():
    result = compute_proposal_quality(samples=makers.sample_recording([], 0))
    assert result.curves == () and result.choices == ()
    assert proposal_quality_findings(result) == ()
    plot_proposal_quality(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stages": 0}, "at least one stage"),
        ({"target": 0.0}, "target in"),
        ({"target": 1.0}, "target in"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        compute_proposal_quality(detector(1), **arguments)
    with pytest.raises(InputError, match="recording"):
        compute_proposal_quality()


def test_bands_hold_the_shares():
    result = compute_proposal_quality(detector())
    for curve in result.curves:
        assert (curve.low <= curve.shares + 1e-9).all()
        assert (np.nan_to_num(curve.high, nan=1) >= curve.shares - 1e-9).all()
