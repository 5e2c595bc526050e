"""Faster R-CNN, ResNeXt-101 32x4d FPN, as mmdetection has it.

Command:  python tools/train.py configs/mmdet/faster_x101_32x4d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       mmdetection: box 41.2; ours not run.
Weights:  faster-rcnn_x101-32x4d_fpn_1x_coco; a training needs ImageNet's from elsewhere.
"""

_base_ = "faster_r50.py"

model = dict(backbone=dict(depth=101, groups=32, base_width=4, weights=None))
