"""One detector on other proposals."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.quality.proposal_swap import (
    compute_proposal_swap,
    plot_proposal_swap,
    proposal_supply,
    proposal_swap_findings,
    proposal_swap_table,
)
from cascadekit.quality.tables import as_json
from tests.quality import makers

OBJECT = [0, 0, 50, 100]
IOU = {52: [0, 0, 50, 52], 72: [0, 0, 50, 72], 92: [0, 0, 50, 92]}


def started_from(name, proposals, detected, objects=(OBJECT,), n=1):
    """A recording whose proposals and detection have these IoUs (percent) with the object."""
    image = makers.image(
        makers.truth(objects),
        [makers.stage([IOU[p] for p in proposals], [OBJECT] * len(proposals))],
        {"1": makers.found([IOU[d] for d in detected])},
    )
    return replace(makers.recording([image] * n), proposals=name)


def test_a_swap():
    own = started_from("RPN", [52, 72], [72])
    better = started_from("RPN + ground truth", [52, 72, 92], [92])
    result = compute_proposal_swap([own, better], rounds=5)
    assert [c.name for c in result.curves.curves] == ["RPN", "RPN + ground truth"]
    assert [c.ap["AP"] for c in result.curves.curves] == pytest.approx([0.5, 0.9])
    assert result.curves.curves[1].gain.difference[0] == pytest.approx(0.4)
    supply = result.supplies["RPN"]
    assert (supply.per_image, supply.best_iou) == (2, pytest.approx(0.72))
    assert supply.reach == (1, 1, 0)  # .5, .7, .9
    assert result.supplies["RPN + ground truth"].reach == (1, 1, 1)


def test_supply_counts_objects_without_boxes():
    stages = [makers.stage([OBJECT])], [makers.stage()], [makers.stage([OBJECT, OBJECT])]
    objects = makers.truth([OBJECT]), makers.truth([OBJECT]), makers.truth([OBJECT], crowd=[True])
    images = [makers.image(o, s) for o, s in zip(objects, stages, strict=True)]
    supply = proposal_supply(makers.recording(images))
    assert (supply.per_image, supply.best_iou, supply.reach) == (1, 0.5, (0.5, 0.5, 0.5))


def test_names():
    a, b = started_from("RPN", [72], [72]), started_from("RPN", [92], [92])
    assert list(compute_proposal_swap({"own": a, "other": b}, rounds=0).supplies) == [
        "own",
        "other",
    ]
    with pytest.raises(InputError, match="two recordings are made from 'RPN'"):
        compute_proposal_swap([a, b])


def test_recordings_that_cannot_be_compared():
    a = started_from("RPN", [72], [72])
    two = started_from("x", [72], [72], n=2)
    with pytest.raises(InputError, match=r"'RPN' \(1 images\) and 'x' \(2\)"):
        compute_proposal_swap([a, two])
    with pytest.raises(InputError, match="'RPN' and 'y' are recordings of other classes"):
        compute_proposal_swap([a, replace(a, proposals="y", classes=("other",))])


@pytest.mark.parametrize(
    "recordings",
    [
        [],
        [makers.recording()],  # no images
        [started_from("RPN", [], []), started_from("x", [], [])],  # no boxes
        [started_from("RPN", [72], [72], ()), started_from("x", [92], [92], ())],  # no objects
    ],
)
def test_next_to_nothing(recordings):
    result = compute_proposal_swap(recordings, rounds=3)
    assert len(proposal_swap_table(result).rows) == len(recordings)
    assert proposal_swap_findings(result) == ()
    assert len(plot_proposal_swap(result).axes[0].lines) == len(recordings)
    json.dumps(as_json(result), allow_nan=False)


def test_table():
    own, better = started_from("RPN", [72], [72]), started_from("better", [72, 92], [92])
    table = proposal_swap_table(compute_proposal_swap([own, better], rounds=3))
    assert table.rows[0] == (
        *("RPN", "1", "0.720", "0.0", "50.0", "100.0", "100.0", "100.0", "0.0", "0.0", "0.0"),
        *("-", "-", "-"),
    )
    assert table.rows[1][:5] == ("better", "2", "0.920", "100.0", "90.0")
    assert table.rows[1][-3:] == ("+40.0", "+40.0 to +40.0", "+100.0")
    assert table.header[4] == "AP" and "over RPN" in table.notes[1]


def test_findings():
    own = started_from("RPN", [72], [72], n=10)
    better = started_from("better", [92], [92], n=10)
    found = proposal_swap_findings(compute_proposal_swap([own, better], rounds=20))
    assert found == (
        "From better the same detector has 90.0 AP, from RPN 50.0: a gain of 40.0 points (+40.0 to "
        "+40.0 with 95 % confidence over images), clearly better at IoU 0.75 to 0.90. The best box "
        "of an object has a mean IoU of 0.920 instead of 0.720.",
        "The gain is greatest at AP75: +100.0 points.",
    )
    assert proposal_swap_findings(compute_proposal_swap([own, better], rounds=0)) == ()


def test_plot():
    own, better = started_from("RPN", [72], [72]), started_from("better", [92], [92])
    (axes,) = plot_proposal_swap(compute_proposal_swap([own, better], rounds=5), "u = 0.5").axes
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]
    assert [line.get_label() for line in axes.lines] == ["RPN (50.0)", "better (90.0)"]
    assert axes.lines[1].get_ydata() == pytest.approx(np.array([100] * 9 + [0]))
    assert axes.get_title() == "u = 0.5" and len(axes.collections) == 1  # the first one's band
