"""MS-CNN's two trainings, one after the other, through the Runner: proposals, then all heads."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cascadekit.apis import evaluate, load_config, load_detector, predict, train
from cascadekit.registry import MODELS

TINY = Path(__file__).with_name("tiny.py")


@MODELS.register_module()
class TinyTwoMaps(nn.Module):
    """Maps of 8 channels at strides 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 8, 8)
        self.second = nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        first = self.first(images).relu()
        return first, self.second(first).relu()


@pytest.fixture(autouse=True)
def data(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path_factory.getbasetemp() / "two_steps"))


def config(step, **options):
    found = load_config(TINY, options={"train_cfg.max_iters": 2, **options})
    model = found.model
    model.backbone = dict(type="TinyTwoMaps")
    model.neck = dict(type="MSCNNNeck", channels=8)
    model.rpn_head = dict(
        type="MSCNNProposals",
        in_channels=8,
        feat_channels=8,
        branches=[
            dict(stride=8, templates=[16, 24], kernels=[3, 5], buffer=True, loss_weight=0.9),
            dict(stride=16, templates=[32], kernels=[3]),
        ]
        + [dict(stride=s, templates=[s * 1.5], kernels=[3]) for s in (32, 64)],
        sampler=dict(type="NegativeSampler", choose="random" if step == 1 else "hardest"),
        min_size=2.0,
        test_count=50,
    )
    pool = dict(type="RoIPool", output_size=4, stride=4)
    head = dict(type="BBoxHead", in_channels=16, num_fcs=1, fc_channels=16, dropout=0.5)
    model.roi_head = dict(
        type="CascadeRoIHead",
        box_pool=dict(type="ContextPool", pool=pool),
        bbox_head=head,
        stage_ious=(0.5, 0.6),
        background_iou=(0.1, 0.5),
    )
    if step == 1:
        model.roi_head = None
    return found


def test_two_steps(tmp_path):
    first = train(config(1), tmp_path / "first", seed=0)
    proposals = first.model.rpn_head.state_dict()
    saved = tmp_path / "first" / "iter_2.pth"
    metrics = evaluate(config(1), saved, tmp_path / "scores", stage_table=True)
    assert 0 <= metrics["coco/bbox_AP"] <= 1  # of proposals, as objects of class 0
    (prediction,) = predict(
        load_detector(config(1), saved), [torch.zeros(64, 64, 3, dtype=torch.uint8).numpy()]
    )
    assert prediction.stages == () and (prediction.detections.labels == 0).all()

    still = {"load_from": str(saved), "optim_wrapper.optimizer.lr": 0.0, "train_cfg.max_iters": 1}
    second = train(config(2, **still), tmp_path / "second", seed=1)
    # At a rate of 0 the proposal network is still the first step's.
    assert all(torch.equal(v, proposals[k]) for k, v in second.model.rpn_head.state_dict().items())
    assert len(second.model.roi_head.bbox_head) == 2

    # What it started from is of no matter when it is tested, nor need it be there any more.
    asked = config(2, load_from=str(tmp_path / "gone.pth"))
    scores = evaluate(asked, tmp_path / "second" / "iter_1.pth", tmp_path / "again")
    assert 0 <= scores["coco/bbox_AP"] <= 1
