"""Faster R-CNN, VGG-16.

Command:  python tools/train.py configs/paper/table6/faster_vgg16.py
Hardware: 2 GPUs, 4 images each; any number, the learning rate follows.
AP:       paper Table 6, val: 23.6 (AP50 43.9, AP75 23.0); ours not run.
"""

_base_ = [
    "../../_base_/models/faster_vgg16.py",
    "../../_base_/datasets/coco_caffe_600.py",
    "../../_base_/schedules/caffe_vgg.py",
    "../../_base_/runtime.py",
]
