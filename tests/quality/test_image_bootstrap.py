"""Bands over images."""

import numpy as np
import pytest

from cascadekit.quality.image_bootstrap import band, resampled_means


def test_two_images():
    # Means 0 and 1 of as many rois: a draw is twice the first, one of each, or twice the second.
    draws = resampled_means(np.array([[0.0], [3.0]]), np.array([[3], [3]]), resamples=2000)
    values, times = np.unique(draws, return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert times / 2000 == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_rois_count_not_images():
    # One roi of 0 beside three of 1: one of each image gives 3/4, not 1/2.
    draws = resampled_means(np.array([[0.0], [3.0]]), np.array([[1], [3]]))
    assert set(draws[:, 0]) == {0.0, 0.75, 1.0}


def test_more_rois_of_the_same_images_are_no_more_certain():
    sums = np.linspace(0, 1, 12)[:, None]
    few = band(resampled_means(sums, np.ones((12, 1))))
    many = band(resampled_means(sums * 1000, np.full((12, 1), 1000)))
    np.testing.assert_allclose(few, many)
    # Close to the normal band over images: 0.5 +- 1.96 * 0.314 / sqrt(12).
    np.testing.assert_allclose(np.ravel(few), [0.322, 0.678], atol=0.02)


def test_columns_are_drawn_together():
    sums = np.random.default_rng(0).uniform(size=(9, 1))
    draws = resampled_means(np.hstack([sums, sums + 0.25]), np.ones((9, 1)))
    np.testing.assert_allclose(np.diff(draws, axis=1), 0.25)


def test_the_seed_decides():
    sums, counts = np.arange(6.0)[:, None], np.ones((6, 1))
    first = resampled_means(sums, counts, seed=1, resamples=150)  # more than one chunk
    assert first.shape == (150, 1)
    assert (first == resampled_means(sums, counts, seed=1, resamples=150)).all()
    assert (first != resampled_means(sums, counts, seed=2, resamples=150)).any()


def test_nothing_to_average():
    assert np.isnan(resampled_means(np.zeros((0, 2)), np.zeros((0, 2)))).all()
    # The second column has rois in one image of two: a quarter of the draws has none.
    draws = resampled_means(np.array([[1.0, 0.0], [1.0, 4.0]]), np.array([[1, 0], [1, 2]]))
    assert np.isnan(draws[:, 1]).mean() == pytest.approx(0.25, abs=0.05)
    assert np.array(band(draws)).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    low, high = band(np.full((5, 1), np.nan))
    assert np.isnan(low).all() and np.isnan(high).all()
