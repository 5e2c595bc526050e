"""The maps of MS-CNN by hand, and the magnified one against a deconvolution."""

import pytest
import torch

from cascadekit.models.necks.magnify import magnify
from cascadekit.models.necks.mscnn_neck import MSCNNNeck
from cascadekit.registry import MODELS


@pytest.mark.parametrize("size", [(5, 8), (1, 1), (2, 3)])
def test_magnified_as_by_a_fixed_bilinear_deconvolution(size):
    features = torch.randn(2, 3, *size)
    profile = torch.tensor([0.25, 0.75, 0.75, 0.25])
    kernel = (profile[:, None] * profile).expand(3, 1, 4, 4)
    expected = torch.nn.functional.conv_transpose2d(features, kernel, stride=2, padding=1, groups=3)
    torch.testing.assert_close(magnify(features), expected)
    assert magnify(features).shape[2:] == (2 * size[0], 2 * size[1])


def test_magnified_by_hand():
    # Between two pixels a quarter of the way; at the border three quarters of the nearest.
    row = torch.tensor([[[[4.0, 8.0]]]])
    assert (magnify(row) / 0.75).flatten().tolist() == [3.0, 5.0, 7.0, 6.0] * 2


def maps():
    return [torch.randn(2, 4, 9, 14), torch.randn(2, 4, 5, 7)]


def test_strides():
    given = maps()
    outs = MODELS.build(dict(type="cascadekit.MSCNNNeck", channels=4))(given)
    assert [tuple(out.shape) for out in outs] == [
        (2, 4, 18, 28),  # stride 4
        (2, 4, 9, 14),
        (2, 4, 5, 7),
        (2, 4, 3, 4),  # 5 and 7 halved and rounded up
        (2, 4, 2, 2),
    ]
    assert outs[1] is given[0] and outs[2] is given[1]


def test_conv6_and_its_maximum():
    neck = MSCNNNeck(channels=1, upsample=False)
    torch.nn.init.dirac_(neck.conv6_1.weight)  # passes on what it gets, less 2
    torch.nn.init.constant_(neck.conv6_1.bias, -2.0)
    deepest = torch.tensor([[[[1.0, 2, 3, 4], [0, 0, 0, 9], [1, 1, 1, 1], [1, 1, 1, 1]]]])
    outs = neck([torch.zeros(1, 1, 8, 8), deepest])
    # Maxima over 2x2 are 2 and 9 above, 1 and 1 below; less 2, cut at 0.
    assert outs[2].tolist() == [[[[0, 7], [0, 0]]]]
    assert outs[3].tolist() == [[[[7]]]]


def test_without_conv6_a_maximum_and_its_mean():
    neck = MSCNNNeck(upsample=False, conv6=False)
    assert list(neck.parameters()) == []
    deepest = torch.tensor([[[[1.0, 2, 3, 4], [0, 0, 0, 9], [1, 1, 1, 1], [1, 1, 1, 5]]]])
    outs = neck([torch.zeros(1, 1, 8, 8), deepest])
    assert outs[2].tolist() == [[[[2, 9], [1, 5]]]]
    assert outs[3].tolist() == [[[[4.25]]]]


def test_names_and_gradients():
    neck = MSCNNNeck(channels=4)
    assert set(neck.state_dict()) == {"conv6_1.weight", "conv6_1.bias"}
    given = [m.requires_grad_() for m in maps()]
    sum(out.sum() for out in neck(given)).backward()
    assert all(m.grad is not None for m in given)
    assert all(p.grad is not None for p in neck.parameters())


def test_two_maps_are_needed():
    with pytest.raises(ValueError, match="not enough values"):
        MSCNNNeck(channels=4)(maps()[:1])
