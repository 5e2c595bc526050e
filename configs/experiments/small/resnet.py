"""ResNet-18 with group norm, from scratch: another backbone.

Command:  python tools/train.py configs/experiments/small/resnet.py --seed 0
Hardware: 2 CPU cores, about 8 minutes.

No ImageNet weights, so it trains twice as long.
"""

_base_ = [
    "../../_base_/models/faster_lite.py",
    "../../_base_/datasets/small.py",
    "../../_base_/schedules/small_long.py",
    "../../_base_/runtime.py",
]

model = dict(
    num_classes=6,
    backbone=dict(type="cascadekit.ResNet", depth=18, frozen_stages=-1, norm="GN", weights=None),
    neck=dict(in_channels=[128, 256, 512]),
    roi_head=dict(postprocess=dict(score_threshold=0.001)),
)
optim_wrapper = dict(paramwise_cfg=dict(backbone_lr=1.0))
