"""Faster R-CNN, AlexNet, VOC 07+12 trainval, tested on VOC 07.

Command:  python tools/train.py configs/paper/table11/faster_alexnet.py
Hardware: 2 GPUs, 4 images each; any number, the learning rate follows.
AP:       paper Table 11: 29.4 (AP50 63.2, AP75 23.7); ours not run.
"""

_base_ = [
    "../../_base_/models/faster_alexnet.py",
    "../../_base_/datasets/voc_caffe.py",
    "../../_base_/schedules/caffe_voc.py",
    "../../_base_/runtime.py",
]
