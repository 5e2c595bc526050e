"""Faster R-CNN, ResNeXt-101 32x8d FPN.

Command:  python tools/train.py configs/paper/table7/x101_32x8d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 41.3 (AP50 63.7, AP75 44.7); ours not run.
"""

_base_ = "../../faster_r50.py"

model = dict(
    backbone=dict(depth=101, groups=32, base_width=8, weights="torchvision://resnext101_32x8d"),
)
