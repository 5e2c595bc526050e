"""Faster R-CNN, ResNet-101 FPN with group norm, 4conv1fc head.

Command:  python tools/train.py configs/paper/table7/r101_gn.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 39.9 (AP50 61.3, AP75 43.3); ours not run.

There are no public ImageNet weights with group norm in torchvision: give model.backbone.weights.
"""

_base_ = "../../faster_r50.py"

model = dict(
    backbone=dict(depth=101, norm="GN", norm_frozen=False, weights=None),
    neck=dict(norm="GN"),
    roi_head=dict(
        bbox_head=dict(num_convs=4, num_fcs=1, norm_groups=32),
    ),
)
