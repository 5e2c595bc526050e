"""Faster R-CNN R101-FPN, COCO, 1x.

Command:  python tools/train.py configs/faster_r101.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
Box AP:   Detectron 39.4 (paper Table 7); ours not run.
"""

_base_ = "faster_r50.py"

model = dict(backbone=dict(depth=101, weights="torchvision://resnet101"))
