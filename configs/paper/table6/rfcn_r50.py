"""R-FCN, ResNet-50.

Command:  python tools/train.py configs/paper/table6/rfcn_r50.py
Hardware: 4 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 6, val: 27.0 (AP50 48.7, AP75 26.9); ours not run.
"""

_base_ = [
    "../../_base_/models/rfcn_r50.py",
    "../../_base_/datasets/coco_caffe_600.py",
    "../../_base_/schedules/caffe_rfcn.py",
    "../../_base_/runtime.py",
]
