"""Shapes and parameter names of the box and mask heads."""

import pytest
import torch

from cascadekit.models.roi_heads.bbox_head import BBoxHead
from cascadekit.models.roi_heads.mask_head import MaskHead, mask_stages, predict_masks


@pytest.mark.parametrize("rois", [0, 5])
@pytest.mark.parametrize("agnostic", [True, False])
def test_box_head_shapes(rois, agnostic):
    head = BBoxHead(8, 3, roi_size=5, fc_channels=16, class_agnostic=agnostic)
    logits, deltas = head(torch.randn(rois, 8, 5, 5))
    assert logits.shape == (rois, 4)
    assert deltas.shape == (rois, 1 if agnostic else 3, 4)


def test_box_head_names_are_mmdetections():
    names = set(BBoxHead(8, 3, num_convs=1, num_fcs=1, norm_groups=4).state_dict())
    assert {
        "shared_convs.0.conv.weight",
        "shared_convs.0.gn.weight",
        "shared_fcs.0.weight",
        "fc_cls.weight",
        "fc_reg.bias",
    } <= names
    assert "shared_convs.0.conv.bias" not in names  # the norm has it


@pytest.mark.parametrize("rois", [0, 2])
def test_mask_head(rois):
    head = MaskHead(8, 3, num_convs=2, conv_channels=8)
    logits = head(torch.randn(rois, 8, 7, 7))
    assert logits.shape == (rois, 3, 14, 14)
    logits.sum().backward()
    assert all(p.grad is not None for p in head.parameters())
    assert {"convs.1.conv.weight", "upsample.weight", "conv_logits.bias"} <= set(head.state_dict())


@pytest.mark.parametrize(("strategy", "expected"), [("b", (0,)), ("c", (2,)), ("d", (0, 1, 2))])
def test_mask_stages(strategy, expected):
    assert mask_stages(strategy, 3) == expected
    assert mask_stages(strategy, 1) == (0,)


def test_unknown_mask_strategy():
    with pytest.raises(ValueError, match="'b', 'c' or 'd', got 'e'"):
        mask_stages("e", 3)


def test_masks_are_averaged_after_the_sigmoid():
    def heads(*values):
        return [lambda x, v=v: torch.full((len(x), 2, 4, 4), v) for v in values]

    masks = predict_masks(heads(0.0, 100.0), torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 1]))
    assert masks.shape == (3, 4, 4)
    torch.testing.assert_close(masks, torch.full((3, 4, 4), 0.75))  # mean of 1/2 and 1
