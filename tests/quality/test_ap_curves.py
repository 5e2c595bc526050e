"""AP by IoU threshold, with bands and gains."""

import json

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import evaluate_coco
from cascadekit.quality.ap_curves import (
    ap_curves_findings,
    ap_curves_table,
    choices_of,
    compute_ap_curves,
    plot_ap_curves,
    recording_results,
    threshold_runs,
)
from cascadekit.quality.tables import as_json
from tests.quality import makers

OBJECT = [0, 0, 50, 100]
LOOSE, TIGHT = [0, 0, 50, 72], [0, 0, 50, 92]  # IoU 0.72 and 0.92


def finding(*boxes, choices=("1",), objects=(OBJECT,)):
    """A recording with an image per box (None: no detection), the same in every choice."""
    images = [
        makers.image(
            makers.truth(objects),
            detections={c: makers.found([] if box is None else [box]) for c in choices},
        )
        for box in boxes
    ]
    return makers.recording(images, final=choices[0])


def test_curves():
    result = compute_ap_curves({"loose": finding(LOOSE), "tight": finding(TIGHT)}, rounds=10)
    loose, tight = result.curves
    assert loose.by_threshold == pytest.approx([1] * 5 + [0] * 5)  # 0.50 to 0.70
    assert tight.by_threshold == pytest.approx([1] * 9 + [0])
    assert loose.ap["AP"] == pytest.approx(0.5) and tight.ap["AP85"] == pytest.approx(1)
    assert loose.ap["AP_medium"] == pytest.approx(0.5) and np.isnan(loose.ap["AP_small"])
    assert (result.reference, loose.gain, tight.gain.difference[0]) == (
        "loose",
        None,
        pytest.approx(0.4),
    )
    assert result.images == result.objects == {"loose": 1, "tight": 1}
    # One image: every draw is the same.
    assert (loose.low == loose.high).all() and loose.low[0] == pytest.approx(0.5)


def test_files_and_recordings_alike():
    recording = finding(LOOSE, TIGHT, None)
    truth, results = recording.ground_truth(), recording_results(recording)
    result = compute_ap_curves({"a": recording, "b": (truth, results)}, rounds=5)
    a, b = result.curves
    assert a.ap == pytest.approx(b.ap, nan_ok=True) and (a.low == b.low).all()
    assert a.ap["AP"] == evaluate_coco(truth, results).ap
    assert b.gain.difference[0] == 0 and b.gain.share_better[0] == 0.5


def test_other_ground_truth_gives_no_gain():
    other = finding(TIGHT, objects=([0, 0, 60, 100],))
    result = compute_ap_curves({"a": finding(TIGHT), "b": other}, rounds=5)
    assert result.curves[1].gain is None
    assert "gain" not in ap_curves_table(result).header and ap_curves_findings(result) == ()


def test_the_reference():
    detectors = {"a": finding(LOOSE), "b": finding(TIGHT)}
    result = compute_ap_curves(detectors, reference="b", rounds=0)
    assert result.curves[0].gain.difference[0] == pytest.approx(-0.4)
    assert result.curves[1].gain is None
    with pytest.raises(InputError, match="reference must be one of a, b, got 'c'"):
        compute_ap_curves(detectors, reference="c")


def test_choices_of_a_recording():
    recording = finding(TIGHT, choices=("1~2", "1", "2"))
    assert list(choices_of(recording)) == ["1~2", "1", "2"]
    chosen = choices_of(recording, {"2": "u=.6", "1~2": "ensemble"})
    result = compute_ap_curves(chosen, rounds=0)
    assert [c.name for c in result.curves] == ["u=.6", "ensemble"]
    assert result.curves[0].ap["AP90"] == pytest.approx(1)
    with pytest.raises(InputError, match="choice of stages must be one of 1~2, 1, 2, got '3'"):
        recording_results(recording, "3")


def test_nothing():
    assert compute_ap_curves({}).curves == () and choices_of(makers.recording()) == {}
    empty = compute_ap_curves({"none": makers.recording(), "bare": finding(None, objects=())})
    assert all(np.isnan(list(curve.ap.values())).all() for curve in empty.curves)
    for result in (compute_ap_curves({}), empty):
        assert ap_curves_findings(result) == ()
        assert len(ap_curves_table(result).rows) == len(result.curves)
        (axes,) = plot_ap_curves(result).axes
        assert len(axes.lines) == len(result.curves)
        json.dumps(as_json(result), allow_nan=False)


def test_no_object_found():
    detectors = {"blind": finding(*[None] * 10), "sees": finding(*[TIGHT] * 10)}
    result = compute_ap_curves(detectors, rounds=5)
    assert result.curves[0].ap["AP"] == 0
    assert ap_curves_findings(result) == (
        "sees has 90.0 AP, blind 0.0: a gain of 90.0 points (+90.0 to +90.0 with 95 % confidence "
        "over images), clearly better at IoU 0.50 to 0.90.",
    )


def test_table():
    detectors = {"loose": finding(LOOSE, LOOSE), "tight": finding(TIGHT, TIGHT)}
    table = ap_curves_table(compute_ap_curves(detectors, rounds=4))
    assert table.header == (
        *("", "AP", "AP50", "AP60", "AP70", "AP75", "AP80", "AP90"),
        *("AP, 95 %", "gain", "gain, 95 %"),
    )
    assert table.rows == (
        ("loose", "50.0", *["100.0"] * 3, *["0.0"] * 3, "50.0 to 50.0", "-", "-"),
        ("tight", "90.0", *["100.0"] * 6, "90.0 to 90.0", "+40.0", "+40.0 to +40.0"),
    )
    assert "another training" in table.notes[0] and "over loose" in table.notes[1]
    plain = ap_curves_table(compute_ap_curves({"loose": finding(LOOSE)}, rounds=0))
    assert len(plain.header) == 8 and plain.notes == ()


def test_findings_weigh_the_draws():
    # Tight on one image of ten, the same elsewhere: no clear gain.
    loose = finding(*[LOOSE] * 10)
    mixed = finding(TIGHT, *[LOOSE] * 9)
    (sentence,) = ap_curves_findings(compute_ap_curves({"loose": loose, "mixed": mixed}))
    assert "no clear difference on the whole (+" in sentence and "clearly" not in sentence
    # Worse everywhere above 0.70.
    tight = finding(*[TIGHT] * 10)
    (sentence,) = ap_curves_findings(compute_ap_curves({"tight": tight, "loose": loose}))
    assert "a loss of 40.0 points" in sentence and "clearly worse at IoU 0.75 to 0.90" in sentence


def test_few_images_have_no_findings():
    detectors = {"loose": finding(*[LOOSE] * 9), "tight": finding(*[TIGHT] * 9)}
    assert ap_curves_findings(compute_ap_curves(detectors, rounds=20)) == ()


@pytest.mark.parametrize(
    "chosen, words",
    [
        ([], ""),
        ([0], "0.50"),
        ([0, 1, 2], "0.50 to 0.60"),
        ([0, 2, 8, 9], "0.50 and 0.60 and 0.90 to 0.95"),
    ],
)
def test_runs_of_thresholds(chosen, words):
    mask = np.zeros(10, bool)
    mask[chosen] = True
    assert threshold_runs(mask) == words


def test_plot():
    detectors = {"loose": finding(LOOSE, TIGHT), "tight": finding(TIGHT, None)}
    result = compute_ap_curves(detectors, rounds=20)
    (axes,) = plot_ap_curves(result, "Two", dashed=["tight"]).axes
    loose, tight = axes.lines
    assert loose.get_xdata() == pytest.approx(np.arange(0.5, 1, 0.05))
    assert loose.get_ydata() == pytest.approx(100 * result.curves[0].by_threshold)
    assert (loose.get_linestyle(), tight.get_linestyle()) == ("-", "--")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [f"{c.name} ({100 * c.ap['AP']:.1f})" for c in result.curves]
    assert axes.get_title() == "Two" and len(axes.collections) == 2  # a band each
    assert len(plot_ap_curves(compute_ap_curves(detectors, rounds=0)).axes[0].collections) == 0
