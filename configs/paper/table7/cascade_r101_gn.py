"""Faster R-CNN, ResNet-101 FPN with group norm, cascaded.

Command:  python tools/train.py configs/paper/table7/cascade_r101_gn.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 43.8 (AP50 62.2, AP75 47.6); ours not run.
"""

_base_ = "r101_gn.py"

model = dict(roi_head=dict(stage_ious=3))
