"""Branches: settings and what the layers give."""

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.proposals.mscnn_branches import ProposalBranch, read_branch


def test_squares_may_be_one_number():
    branch = read_branch(dict(stride=8, templates=[60, (30, 60)], kernels=[5, (3, 5)]))
    assert branch.templates == ((60, 60), (30, 60)) and branch.kernels == ((5, 5), (3, 5))
    assert branch.loss_weight == 1 and not branch.buffer


def test_layers():
    settings = read_branch(dict(stride=8, templates=[9, (9, 18)], kernels=[1, (3, 5)], buffer=True))
    branch = ProposalBranch(settings, in_channels=4, feat_channels=6, num_classes=3)
    outs = branch(torch.randn(2, 4, 5, 7))
    assert [out.shape for out in outs] == [(2, 8, 5, 7)] * 2  # 3 classes, background, 4 deltas
    shapes = {name: tuple(p.shape) for name, p in branch.named_parameters() if "weight" in name}
    assert shapes == {
        "buffer.weight": (6, 4, 3, 3),
        "heads.0.weight": (8, 6, 1, 1),
        "heads.1.weight": (8, 6, 5, 3),  # 3 wide, 5 high
    }


def test_the_buffer_ends_in_a_relu():
    settings = read_branch(dict(stride=8, templates=[9], kernels=[1], buffer=True))
    branch = ProposalBranch(settings, in_channels=1, feat_channels=1, num_classes=1)
    torch.nn.init.constant_(branch.buffer.bias, -9.0)
    torch.nn.init.ones_(branch.heads[0].weight)
    assert (branch(torch.zeros(1, 1, 2, 2))[0] == 0).all()


def test_without_a_buffer_the_map_itself_is_read():
    branch = ProposalBranch(read_branch(dict(stride=8, templates=[9], kernels=[1])), 1, 99, 1)
    assert branch.buffer is None
    torch.nn.init.ones_(branch.heads[0].weight)
    assert (branch(torch.full((1, 1, 2, 2), -3.0))[0] == -3).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(templats=[9]), "Did you mean 'templates'"),
        (dict(kernels=[5, 7]), "1 templates and 2 kernels at stride 8"),
        (dict(templates=[], kernels=[]), "0 templates"),
        (dict(templates=[(9, 0)]), "without area"),
        (dict(kernels=[(3, 4)]), "must be odd"),
    ],
)
def test_faults(change, message):
    with pytest.raises(InputError, match=message):
        read_branch({**dict(stride=8, templates=[9], kernels=[3]), **change})


def test_a_missing_setting():
    with pytest.raises(InputError, match="'kernels' is missing"):
        read_branch(dict(stride=8, templates=[9]))
