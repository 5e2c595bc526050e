"""Faster R-CNN, ResNeXt-101 64x4d FPN.

Command:  python tools/train.py configs/paper/table7/x101_64x4d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 41.5 (AP50 63.8, AP75 44.9); ours not run.
"""

_base_ = "../../faster_r50.py"

model = dict(
    backbone=dict(depth=101, groups=64, base_width=4, weights="torchvision://resnext101_64x4d"),
)
