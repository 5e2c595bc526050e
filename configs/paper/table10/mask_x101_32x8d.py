"""Mask R-CNN, ResNeXt-101 32x8d FPN.

Command:  python tools/train.py configs/paper/table10/mask_x101_32x8d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 42.1, mask 37.3; ours not run.
"""

_base_ = "../../mask_r50.py"

model = dict(
    backbone=dict(depth=101, groups=32, base_width=8, weights="torchvision://resnext101_32x8d"),
)
