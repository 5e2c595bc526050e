"""Counts and balance of the samples."""

import pytest
import torch

from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE
from cascadekit.models.targets.sampler import KeepAll, RandomSampler


def kinds(positive, negative, ignored=0):
    return torch.tensor([POSITIVE] * positive + [NEGATIVE] * negative + [IGNORED] * ignored)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((100, 1000), (16, 48)),  # enough of both: a quarter positives
        ((5, 1000), (5, 59)),  # few positives: negatives fill up
        ((100, 3), (16, 3)),  # few negatives: a smaller sample
        ((0, 10), (0, 10)),
        ((3, 0), (3, 0)),
        ((0, 0), (0, 0)),
    ],
)
def test_counts(given, expected):
    kind = kinds(*given, ignored=7)
    rows = RandomSampler(64, 0.25).sample(kind)
    chosen = kind[rows]
    assert (chosen == POSITIVE).sum() == expected[0]
    assert (chosen == NEGATIVE).sum() == expected[1]
    assert len(rows.unique()) == len(rows)  # without repetition
    assert (chosen == IGNORED).sum() == 0


def test_generator_repeats_and_varies():
    kind = kinds(50, 500)
    sampler = RandomSampler(64)
    first = sampler.sample(kind, torch.Generator().manual_seed(1))
    assert torch.equal(first, sampler.sample(kind, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, sampler.sample(kind, torch.Generator().manual_seed(2)))


def test_rows_stay_in_order():
    """What a later stage draws from depends on it."""
    kind = kinds(50, 500)[torch.randperm(550, generator=torch.Generator().manual_seed(0))]
    rows = RandomSampler(64).sample(kind, torch.Generator().manual_seed(1))
    positive, negative = rows[kind[rows] == POSITIVE], rows[kind[rows] == NEGATIVE]
    assert torch.equal(rows, torch.cat([positive.sort().values, negative.sort().values]))


def test_keep_all():
    assert KeepAll().sample(kinds(2, 3, 2)).tolist() == [0, 1, 2, 3, 4]


def test_faults():
    with pytest.raises(ValueError, match="num > 0"):
        RandomSampler(0)
