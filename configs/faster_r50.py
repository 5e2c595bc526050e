"""Faster R-CNN R50-FPN, COCO, 1x.

Command:  python tools/train.py configs/faster_r50.py        (8 GPUs: torchrun, see README)
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
Box AP:   Detectron 36.7 (paper Table 7); ours not run.
"""

_base_ = [
    "_base_/models/faster_r50_fpn.py",
    "_base_/datasets/coco_detection.py",
    "_base_/schedules/1x.py",
    "_base_/runtime.py",
]
