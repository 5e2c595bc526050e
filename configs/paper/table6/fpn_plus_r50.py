"""FPN+, ResNet-50.

Command:  python tools/train.py configs/paper/table6/fpn_plus_r50.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 6, val: 36.5 (AP50 58.6, AP75 39.2); ours not run.
"""

_base_ = [
    "../../_base_/models/fpn_plus_r50.py",
    "../../_base_/datasets/coco_caffe.py",
    "../../_base_/schedules/caffe_fpn.py",
    "../../_base_/runtime.py",
]
