"""Mask R-CNN R101-FPN, COCO, 1x.

Command:  python tools/train.py configs/mask_r101.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 40.0, mask 35.9; ours not run.
"""

_base_ = "mask_r50.py"

model = dict(backbone=dict(depth=101, weights="torchvision://resnet101"))
