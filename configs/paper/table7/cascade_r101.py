"""Faster R-CNN, ResNet-101 FPN, cascaded.

Command:  python tools/train.py configs/paper/table7/cascade_r101.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 42.8 (AP50 61.4, AP75 46.1); ours not run.
"""

_base_ = "r101.py"

model = dict(roi_head=dict(stage_ious=3))
