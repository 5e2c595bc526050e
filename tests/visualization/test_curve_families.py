"""Curves as plain arrays, and what they say at an IoU."""

import math

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.visualization.curve_families import CurveFamily, QualityCurve


def curve(x=(0.5, 0.7, 0.9), y=(40.0, 30.0, 10.0), detector="a", stage="final", **more):
    more = {key: np.array(value, float) for key, value in more.items()}
    return QualityCurve(detector, stage, np.array(x, float), np.array(y, float), **more)


def family(curves, **more):
    stages = more.pop("stages", tuple(dict.fromkeys(c.stage for c in curves)) or ("final",))
    return CurveFamily("AP", "IoU", "AP (%)", tuple(curves), stages, **more)


@pytest.mark.parametrize(
    ("one", "iou", "value"),
    [
        (curve(), 0.7, 30.0),  # at a point
        (curve(), 0.6, 35.0),  # half way between two
        (curve(), 0.95, math.nan),  # beyond the last
        (curve(y=(40.0, np.nan, 10.0)), 0.7, 25.0),  # over a point that is not known
        (curve((), ()), 0.7, math.nan),  # no points
        (curve(y=(np.nan,) * 3), 0.7, math.nan),
    ],
)
def test_value_of_a_line(one, iou, value):
    assert family([one]).value(one, iou)[0] == pytest.approx(value, nan_ok=True)


def test_band_of_a_line():
    one = curve(low=(38, 28, 8), high=(42, 32, 14))
    assert family([one]).value(one, 0.8) == pytest.approx((20.0, 18.0, 23.0))
    assert np.isnan(family([curve()]).value(curve(), 0.8)[1:]).all()


@pytest.mark.parametrize(
    ("iou", "value"),
    [
        (0.5, 60.0),  # all bins
        (0.6, 30.0),  # those from 0.6 on: 20 + 10
        (0.7, 10.0),
        (0.9, 0.0),
    ],
)
def test_value_of_steps_is_the_sum_from_there_on(iou, value):
    one = curve((0.5, 0.6, 0.7, 0.8), (30.0, 20.0, 10.0))
    assert family([one], kind="steps").value(one, iou)[0] == pytest.approx(value)


def test_choosing():
    curves = [curve(detector=d, stage=s) for d in ("b", "a") for s in ("stage 1", "final")]
    found = family(curves)
    assert found.detectors == ("b", "a")
    assert found.pick(["a"], ["final", "stage 1"]) == tuple(curves[2:])
    assert found.pick([], ["final"]) == () == found.pick(["a", "b"], ["stage 9"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: curve(y=(1.0,)), "3 x do not fit"),
        (lambda: curve(low=(1, 2)), "lengths"),
        (lambda: family([curve(), curve()]), "two curves of 'a', final"),
        (lambda: family([curve(stage="stage 1")], stages=("stage 2",)), "Did you mean 'stage 2'"),
        (lambda: family([curve()], kind="lines"), "Did you mean 'line'"),
    ],
)
def test_mistakes(make, words):
    with pytest.raises(InputError, match=words):
        make()
