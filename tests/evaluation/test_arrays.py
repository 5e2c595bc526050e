import numpy as np
import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import (
    box_rows,
    check_ious,
    check_pairs,
    row_doubles,
    row_flags,
    row_names,
    row_numbers,
)


@pytest.mark.parametrize(
    "value, shape",
    [
        ([], (0, 4)),
        (np.zeros((0, 4)), (0, 4)),
        (np.zeros((0, 5)), (0, 4)),  # of no rows the width is not asked
        ([[1, 2, 3, 4]], (1, 4)),
        (np.ones((3, 4), np.float32), (3, 4)),
    ],
)
def test_boxes_become_doubles(value, shape):
    boxes = box_rows(value, "boxes")
    assert boxes.shape == shape and boxes.dtype == np.float64


@pytest.mark.parametrize(
    "value, message",
    [
        ([1, 2, 3, 4], r"a.boxes must be \(N, 4\), one row per box, got \(4,\)"),
        ([[1, 2, 3]], r"got \(1, 3\)"),
        ([[1, 2, 3, 4], [1, 2]], "a.boxes must be numbers"),
        ([[1, 2, 3, np.nan]], "a.boxes must be finite, row 0"),
        ([[0] * 4, [np.inf] * 4], "row 1"),
        (np.nan, "row 0"),
        ("car", "must be numbers, got 'car'"),
    ],
)
def test_faulty_boxes_are_named(value, message):
    with pytest.raises(InputError, match=message):
        box_rows(value, "a.boxes")


def test_rows_fit_the_boxes():
    assert row_numbers([1, 2.5], 2, "scores").tolist() == [1, 2.5]
    assert row_flags(np.array([0, 1], np.uint8), 2, "hard").tolist() == [False, True]
    assert row_flags([], 0, "hard").dtype == bool
    assert row_names(np.array(["a", "b"]), 2, "names") == ["a", "b"]
    for check in (row_numbers, row_flags):
        with pytest.raises(InputError, match=r"x must be \(2,\), one per box, got \(1,\)"):
            check([1], 2, "x")
    with pytest.raises(InputError, match=r"x must be True or False .* got \[2.0\]"):
        row_flags([2], 1, "x")
    for value in (["a"], "ab"):
        with pytest.raises(InputError, match="x must be 2 class names"):
            row_names(value, 2, "x")


def test_single_precision_is_refused_where_a_limit_is_met():
    # 0.3 in float32 is 0.30000001, above the limit; 0.65 is 0.64999998, below it.
    assert float(np.float32(0.3)) > 0.3 and float(np.float32(0.65)) < 0.65
    assert row_doubles([0.3], 1, "x")[0] == 0.3
    assert row_doubles(np.array([0, 1]), 2, "x").dtype == np.float64
    for kind in (np.float32, np.float16):
        with pytest.raises(InputError, match="x must be in double precision, got float"):
            row_doubles(np.array([0.3], kind), 1, "x")
    with pytest.raises(InputError, match=r"double precision, got torch\.float32"):
        row_doubles(torch.tensor([0.3]), 1, "x")
    with pytest.raises(InputError, match=r"x must be \(2,\)"):
        row_doubles([0.3], 2, "x")


def test_pairs_and_thresholds():
    check_pairs([1, 2], [3, 4])
    check_ious((0.5, 1))
    with pytest.raises(InputError, match="got 1 and 2"):
        check_pairs([1], [1, 2])
    for ious in ((), (0.5, 0.5), (0,), (1.1,)):
        with pytest.raises(InputError, match="ious must be different numbers in"):
            check_ious(ious)
