"""Mask R-CNN, ResNeXt-101 64x4d FPN.

Command:  python tools/train.py configs/paper/table10/mask_x101_64x4d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 42.4, mask 37.5; ours not run.
"""

_base_ = "../../mask_r50.py"

model = dict(
    backbone=dict(depth=101, groups=64, base_width=4, weights="torchvision://resnext101_64x4d"),
)
