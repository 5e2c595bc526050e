import numpy as np
import pytest

from cascadekit.evaluation.precision_recall import area_under_envelope, eleven_points


@pytest.mark.parametrize(
    "recall, precision, area, points",
    [
        ([], [], 0, 0),  # nothing detected
        ([1.0], [1.0], 1, 11),  # perfect
        ([0.5], [1.0], 0.5, 6),  # half: points 0 ... 0.5
        ([0.0, 1.0], [0.0, 0.5], 0.5, 5.5),  # the envelope lifts what is left of a maximum
        ([0.5, 1.0], [0.4, 0.8], 0.8, 8.8),
        ([0.25, 0.25, 0.5], [1, 0.5, 0.6], 0.25 + 0.15, 3 + 3 * 0.6),  # a step without a width
        ([0.0, 0.5], [np.nan, 1.0], 0.5, 6),  # 0 / 0 spoils nothing
        ([0.5, 0.5], [1.0, np.nan], 0.5, 6),
    ],
)
def test_by_hand(recall, precision, area, points):
    curve = np.array(recall, float), np.array(precision, float)
    assert area_under_envelope(*curve) == pytest.approx(area, abs=1e-12)
    assert eleven_points(*curve) == pytest.approx(points / 11, abs=1e-12)


def test_nothing_to_find():
    assert np.isnan(area_under_envelope(np.array([np.nan]), np.array([0.0])))


@pytest.mark.parametrize("point", range(11))
def test_points_are_multiples_of_a_tenth_in_doubles(point):
    # A recall of exactly i / 10 reaches point i except where i * 0.1 is more: 3, 6 and 7.
    reached = point + 1 - (point in (3, 6, 7))
    assert eleven_points(np.array([point / 10]), np.ones(1)) == pytest.approx(reached / 11)
