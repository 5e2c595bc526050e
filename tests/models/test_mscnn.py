"""A small MS-CNN as a whole: both steps of its training, and what each of them gives."""

import pytest
import torch
from torch import Tensor, nn

from cascadekit.registry import MODELS


@MODELS.register_module()
class TinyVGG(nn.Module):
    """Maps of 8 channels at strides 8 and 16, in VGG's place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv4_3 = nn.Conv2d(3, 8, 8, 8)
        self.conv5_3 = nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        conv4_3 = self.conv4_3(images).relu()
        return conv4_3, self.conv5_3(conv4_3).relu()


POOL = dict(type="cascadekit.RoIPool", output_size=(4, 3), stride=4)
HEAD = dict(
    type="cascadekit.CascadeRoIHead",
    box_pool=dict(type="cascadekit.ContextPool", pool=POOL),
    bbox_head=dict(
        type="cascadekit.BBoxHead",
        in_channels=16,
        num_convs=1,
        conv_channels=8,
        conv_padding=0,
        num_fcs=1,
        fc_channels=32,
        dropout=0.5,
    ),
    stage_ious=(0.45, 0.65, 0.75),
    background_iou=(0.05, 0.44),
    sampler=dict(type="cascadekit.RandomSampler", num=32, pos_fraction=0.25),
)


def build(step, seed=0, **roi_head):
    torch.manual_seed(seed)
    return MODELS.build(
        dict(
            type="cascadekit.CascadeRCNN",
            num_classes=3,
            data_preprocessor=dict(
                type="cascadekit.DetectionPreprocessor",
                mean=[127.0] * 3,
                std=[64.0] * 3,
                pad_size_divisor=32,
            ),
            backbone=dict(type="cascadekit.TinyVGG"),
            neck=dict(type="cascadekit.MSCNNNeck", channels=8),
            rpn_head=dict(
                type="cascadekit.MSCNNProposals",
                in_channels=8,
                feat_channels=8,
                branches=[
                    dict(stride=8, templates=[16, (12, 24)], kernels=[3, (3, 5)], buffer=True),
                    dict(stride=16, templates=[32], kernels=[3]),
                    dict(stride=32, templates=[48], kernels=[3]),
                    dict(stride=64, templates=[80], kernels=[3]),
                ],
                sampler=dict(
                    type="cascadekit.NegativeSampler", choose="random" if step == 1 else "hardest"
                ),
                box_weight=0.05 if step == 1 else 1.0,
                train_count=200,
                test_count=50,
                min_size=4.0,
            ),
            roi_head=None if step == 1 else {**HEAD, **roi_head},
        )
    )


def train(detector, data, steps, rate):
    """Totals of the losses, step by step."""
    optimizer = torch.optim.AdamW(detector.parameters(), lr=rate)
    totals = []
    for _ in range(steps):
        losses = detector(**data, mode="loss")
        total = sum(v for k, v in losses.items() if "loss" in k)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    return totals


def test_the_first_step_gives_proposals(batch):
    detector = build(1)
    data = detector.data_preprocessor(batch(), True)
    losses = detector.loss(data["inputs"], data["data_samples"])
    assert set(losses) == {"rpn.loss_cls", "rpn.loss_bbox"}
    sum(losses.values()).backward()
    unused = [name for name, p in detector.named_parameters() if p.grad is None]
    assert unused == []
    with torch.no_grad():
        first, _ = detector.eval().predict(data["inputs"], data["data_samples"])
    assert 0 < len(first.detections) <= 50 and first.stages == ()
    assert (first.detections.labels == 0).all()


def test_the_second_step_starts_from_the_first(batch):
    detector = build(2, seed=1)
    state = build(1).state_dict()
    missing, unexpected = detector.load_state_dict(state, strict=False)
    assert unexpected == [] and all(name.startswith("roi_head.") for name in missing)
    data = detector.data_preprocessor(batch(), True)
    losses = detector.loss(data["inputs"], data["data_samples"])
    assert {f"stage{k}.loss_{w}" for k in (1, 2, 3) for w in ("cls", "bbox")} < set(losses)
    assert all(value.isfinite() for value in losses.values())
    sum(v for k, v in losses.items() if "loss" in k).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None] == []
    # 4 x 3 bins less a ring: 2 x 1, of 8 channels.
    assert detector.roi_head.bbox_head[0].shared_fcs[0].in_features == 2 * 1 * 8
    with torch.no_grad():
        predictions = detector.eval().predict(data["inputs"], data["data_samples"])
    assert [len(p.stages) for p in predictions] == [3, 3]


def test_no_objects_at_all(batch):
    """Stage 1 finds no background near an object, so that the heads have no roi to train on."""
    detector = build(2)
    data = detector.data_preprocessor(batch(first=()), True)
    losses = detector.loss(data["inputs"], data["data_samples"])
    assert losses["stage1.loss_cls"].item() == 0 and losses["rpn.loss_cls"].item() > 0
    sum(v for k, v in losses.items() if "loss" in k).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())


@pytest.mark.parametrize("step", [1, 2])
def test_learns_two_pictures(step, batch):
    detector = build(step)
    data = detector.data_preprocessor(batch(second=((4, 4, 24, 40), (50, 8, 90, 50))), True)
    totals = train(detector, data, 30, 0.02 if step == 1 else 0.01)
    assert sum(totals[-5:]) < 0.5 * sum(totals[:5])


def test_scores_of_the_last_head_alone(batch):
    """What KITTI's config asks for: no other head is run on the last stage's rois."""
    detector = build(2, test_stages="3").eval()
    data = detector.data_preprocessor(batch(), False)
    with torch.no_grad():
        _, stages = detector.run_stages(data["inputs"], data["data_samples"])
    assert [sorted(stage.logits_by_head) for stage in stages] == [[0], [1], [2]]
