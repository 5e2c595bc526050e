"""Losses by hand; on no rows they are 0 and still have gradients."""

import math

import pytest
import torch

from cascadekit.models import losses


def test_classification_by_hand():
    # Even logits over K + 1 = 4 classes: log 4 for each roi, averaged.
    logits = torch.zeros(5, 4)
    assert losses.classification_loss(logits, torch.arange(5) % 4).item() == pytest.approx(
        math.log(4)
    )


@pytest.mark.parametrize(
    ("difference", "beta", "expected"),
    [
        (0.5, 1.0, 0.125),  # quadratic: 0.5 * 0.25
        (2.0, 1.0, 1.5),  # linear: 2 - 0.5
        (2.0, 1 / 9, 2 - 1 / 18),  # RPN's
        (2.0, 0.0, 2.0),  # absolute
    ],
)
def test_box_loss_by_hand(difference, beta, expected):
    deltas, wanted = torch.zeros(1, 4), torch.tensor([[difference, 0, 0, 0]])
    # Divided by all rois of the stage, not by the positives.
    assert losses.box_loss(deltas, wanted, 10, beta).item() == pytest.approx(expected / 10)


def test_objectness_by_hand():
    loss = losses.objectness_loss(torch.zeros(4), torch.tensor([1.0, 0, 0, 0]))
    assert loss.item() == pytest.approx(math.log(2))


def test_mask_loss_uses_own_class_only():
    logits = torch.zeros(2, 3, 2, 2)
    logits[:, 1] = 100.0  # another class's mask may say anything
    logits[0, 1] = 0.0
    loss = losses.mask_loss(logits, torch.ones(2, 2, 2), torch.tensor([1, 2]))
    assert loss.item() == pytest.approx(math.log(2))


def test_own_class():
    values = torch.arange(12).view(2, 3, 2)
    assert losses.own_class(values, torch.tensor([2, 0])).tolist() == [[4, 5], [6, 7]]
    # One row for all classes.
    assert losses.own_class(values[:, :1], torch.tensor([2, 0])).tolist() == [[0, 1], [6, 7]]


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: losses.classification_loss(x.view(0, 4), torch.zeros(0).long()),
        lambda x: losses.box_loss(x.view(0, 4), torch.zeros(0, 4), 0, 1.0),
        lambda x: losses.objectness_loss(x.view(0), torch.zeros(0)),
        lambda x: losses.mask_loss(x.view(0, 3, 2, 2), torch.zeros(0, 2, 2), torch.zeros(0).long()),
    ],
    ids=["classification", "box", "objectness", "mask"],
)
def test_no_rows(loss):
    empty = torch.zeros(0, requires_grad=True)
    value = loss(empty)
    assert value.item() == 0
    value.backward()
    assert empty.grad is not None and empty.grad.shape == (0,)


def test_scale_gradient():
    x = torch.tensor([3.0], requires_grad=True)
    y = losses.scale_gradient(x, 0.25)
    assert y.item() == 3.0
    y.backward()
    assert x.grad.item() == 0.25
