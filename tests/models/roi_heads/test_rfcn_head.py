"""R-FCN's maps, pooling and vote, by hand and against a loop over cells."""

import pytest
import torch
from torchvision.ops import ps_roi_align, ps_roi_pool

from cascadekit.models.roi_heads.rfcn_head import PSRoIPool, RFCNHead


def head(classes=2, agnostic=True, size=2):
    torch.manual_seed(0)
    return RFCNHead(4, classes, roi_size=size, hidden_channels=8, class_agnostic=agnostic)


def test_each_bin_votes_from_its_own_map():
    """One class, a 2 x 2 grid, a map of constants: channel c * 4 + bin holds 10 c + bin."""
    values = torch.tensor([10.0 * (c // 4) + c % 4 for c in range(4 * (2 + 4))])
    maps = [values[None, :, None, None].expand(1, -1, 4, 4).contiguous()]
    pooled = PSRoIPool(2, stride=16)(maps, torch.tensor([[0.0, 0, 64, 64]]), torch.zeros(1).long())
    assert pooled.shape == (1, 6, 2, 2)
    assert pooled[0, 0].tolist() == [[0, 1], [2, 3]]  # logit of class 0, bin by bin
    logits, deltas = head(classes=1)(pooled)
    assert logits.tolist() == [[1.5, 11.5]]  # mean of 0..3, of 10..13
    assert deltas.tolist() == [[[21.5, 31.5, 41.5, 51.5]]]


@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("rois", [0, 3])
def test_shapes_and_gradients(agnostic, rois):
    rfcn = head(classes=3, agnostic=agnostic)
    pyramid = [torch.randn(1, 9, 8, 8), torch.randn(1, 4, 6, 8, requires_grad=True)]
    maps = rfcn.read(pyramid)
    groups = 1 if agnostic else 3
    assert maps[0].shape == (1, 4 * (4 + 4 * groups), 6, 8)
    boxes = torch.tensor([[0.0, 0, 50, 60], [20, 20, 21, 21], [90, 90, 128, 96]])[:rois]
    logits, deltas = rfcn(PSRoIPool(2, stride=16)(maps, boxes, torch.zeros(rois).long()))
    assert logits.shape == (rois, 4) and deltas.shape == (rois, groups, 4)
    (logits.sum() + deltas.sum()).backward()
    assert all(p.grad is not None for p in rfcn.parameters())
    assert pyramid[1].grad is not None


@pytest.mark.parametrize("form", ["pool", "align"])
def test_pooling_equals_torchvision(form):
    torch.manual_seed(0)
    maps, boxes = torch.randn(2, 3 * 49, 12, 16), torch.rand(6, 4) * 80
    boxes[:, 2:] += boxes[:, :2] + 8
    index = torch.tensor([0, 0, 1, 1, 0, 1])
    own = PSRoIPool(7, stride=16, form=form)([maps], boxes, index)
    rois = torch.cat([index[:, None].float(), boxes], 1)
    if form == "pool":
        expected = ps_roi_pool(maps, rois, 7, 1 / 16)
    else:
        expected = ps_roi_align(maps, rois, 7, 1 / 16, 2)
    torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-5)


def test_unknown_form():
    with pytest.raises(ValueError, match="form must be 'pool' or 'align'"):
        PSRoIPool(form="max")


def rfcn_options():
    """Roi-head settings of a tiny R-FCN cascade on the tiny detector's stride-16 level."""
    return dict(
        masks=False,
        box_pool=dict(type="cascadekit.PSRoIPool", output_size=3, stride=16),
        bbox_head=dict(
            type="cascadekit.RFCNHead", in_channels=8, roi_size=3, level=2, hidden_channels=8
        ),
    )


def test_cascade_of_maps(tiny, batch):
    """Every stage has its own maps; the ensemble reads each of them on the last stage's rois."""
    detector = tiny(**rfcn_options())
    data = detector.data_preprocessor(batch(), True)
    losses = detector.loss(data["inputs"], data["data_samples"])
    sum(value for name, value in losses.items() if "loss" in name).backward()
    assert all(p.grad is not None for p in detector.parameters() if p.requires_grad)
    with torch.no_grad():
        pyramid, stages = detector.eval().run_stages(data["inputs"], data["data_samples"])
        rois = stages[2].proposals
        first = detector.roi_head.bbox_head[0]
        maps = first.read(pyramid)
        pooled = detector.roi_head.box_pool(maps, rois.boxes, rois.image_index)
        torch.testing.assert_close(stages[2].logits_by_head[0], first(pooled)[0])
        assert not torch.allclose(stages[2].logits_by_head[0], stages[2].logits)


def test_both_scalings_reach_the_backbone_alike(tiny, batch):
    """Scaled losses = gradients scaled where they leave the stage's maps."""
    gradients = []
    for scaling in ("loss", "gradient"):
        detector = tiny(**rfcn_options(), loss_scaling=scaling)
        data = detector.data_preprocessor(batch(), True)
        generator = torch.Generator().manual_seed(0)
        losses = detector.loss(data["inputs"], data["data_samples"], generator)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        gradients.append({name: p.grad for name, p in detector.named_parameters()})
    for name, grad in gradients[0].items():
        factor = {"0": 1, "1": 2, "2": 4}[name.split(".")[2]] if "bbox_head" in name else 1
        torch.testing.assert_close(grad * factor, gradients[1][name], rtol=1e-4, atol=1e-7)
