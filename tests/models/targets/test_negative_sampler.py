"""Numbers and choice of negatives by hand."""

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.targets.assigner import IGNORED, NEGATIVE, POSITIVE
from cascadekit.models.targets.negative_sampler import NegativeSampler


def case(positives, negatives, ignored=3, classes=2):
    """Kinds, labels (positives of class 0, 1, 0, ...) and zero logits."""
    kind = torch.tensor([POSITIVE] * positives + [NEGATIVE] * negatives + [IGNORED] * ignored)
    labels = torch.arange(len(kind)) % classes
    return kind, labels, torch.zeros(len(kind), classes + 1)


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [
        (10, 100, 20),  # two for each positive
        (1, 100, 8),  # four for each of two classes at least
        (0, 100, 8),
        (10, 5, 5),  # all there are
        (3, 0, 0),
        (0, 0, 0),
    ],
)
def test_random_counts(positives, negatives, expected):
    kind, labels, logits = case(positives, negatives)
    rows = NegativeSampler("random").sample(kind, labels, logits)
    assert len(rows) == len(rows.unique()) == expected
    assert (kind[rows] == NEGATIVE).all()


def test_random_repeats_with_the_generator():
    given = case(10, 100)
    sampler = NegativeSampler("random")
    first = sampler.sample(*given, torch.Generator().manual_seed(1))
    assert torch.equal(first, sampler.sample(*given, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, sampler.sample(*given, torch.Generator().manual_seed(2)))


def test_hardest_of_each_class():
    # Two positives, both of class 0: 2 negatives are hard for class 0, at least 1 for class 1.
    kind = torch.tensor([POSITIVE, NEGATIVE, NEGATIVE, NEGATIVE, IGNORED, NEGATIVE, POSITIVE])
    labels = torch.zeros(7).long()
    logits = torch.tensor(
        [
            [9.0, 9, 0],  # positive, never a negative
            [1.0, 0, 5],
            [3.0, 0, 5],
            [2.0, 7, 9],  # its own background logit is not looked at
            [8.0, 8, 0],  # ignored
            [0.0, 6, 0],
            [9.0, 9, 0],
        ]
    )
    sampler = NegativeSampler("hardest", ratio=1.0, least=1)
    assert sampler.sample(kind, labels, logits).tolist() == [2, 3]  # 3 is hard for both
    # With a ratio of 0 one for each class: row 2 and row 3.
    assert NegativeSampler("hardest", 0.0, 1).sample(kind, labels, logits).tolist() == [2, 3]
    assert NegativeSampler("hardest", 0.0, 2).sample(kind, labels, logits).tolist() == [2, 3, 5]
    assert NegativeSampler("hardest").sample(kind, labels, logits).tolist() == [1, 2, 3, 5]


def test_of_equal_logits_the_first():
    kind, labels, logits = case(0, 9)
    assert NegativeSampler("hardest").sample(kind, labels, logits).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("choose", ["random", "hardest"])
def test_no_rows(choose):
    assert NegativeSampler(choose).sample(*case(0, 0, 0)).tolist() == []


def test_wrong_settings():
    with pytest.raises(InputError, match="Did you mean 'hardest'"):
        NegativeSampler("hardes")
    with pytest.raises(InputError, match="below 0"):
        NegativeSampler(ratio=-1.0)
