"""The class loss of a template by hand."""

import math

import pytest
import torch

from cascadekit.models.proposals.mscnn_loss import balanced_classification_loss

LOG2 = math.log(2)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # (label, right logit minus wrong one) of each row; class 0 and background 1
        # Mean of the positives: log 2; of the negatives: log 4/3. A third and two thirds.
        ([(0, 0.0), (0, 0.0), (1, math.log(3))], LOG2 / 3 + math.log(4 / 3) * 2 / 3),
        ([(1, 0.0), (1, math.log(3))], (LOG2 + math.log(4 / 3)) / 2),  # no positive: their mean
        ([(0, 0.0), (0, 0.0)], LOG2 / 3),  # no negative: a third all the same
        ([], 0.0),
    ],
)
def test_shares(rows, expected):
    labels = torch.tensor([label for label, _ in rows], dtype=torch.long)
    logits = torch.zeros(len(rows), 2)
    for row, (label, margin) in enumerate(rows):
        logits[row, label] = margin
    logits.requires_grad_()
    loss = balanced_classification_loss(logits, labels, 1 / 3)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    assert logits.grad.isfinite().all()


def test_classes_are_told_apart():
    # Two classes and background: a softmax over three.
    loss = balanced_classification_loss(torch.zeros(2, 3), torch.tensor([1, 2]), 0.5)
    assert loss.item() == pytest.approx(math.log(3))
