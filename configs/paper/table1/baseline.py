"""FPN+ ResNet-50, one stage: the baseline of the paper's Table 1.

Command:  python tools/train.py configs/paper/table1/baseline.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 1: 34.9 (AP50 57.0, AP90 7.1); ours not run.
"""

_base_ = [
    "../../_base_/models/fpn_plus_r50.py",
    "../../_base_/datasets/coco_caffe.py",
    "../../_base_/schedules/caffe_fpn_ablation.py",
    "../../_base_/runtime.py",
]
