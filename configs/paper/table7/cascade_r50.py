"""Faster R-CNN, ResNet-50 FPN, cascaded.

Command:  python tools/train.py configs/paper/table7/cascade_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 40.9 (AP50 59.0, AP75 44.6); ours not run.
"""

_base_ = "r50.py"

model = dict(roi_head=dict(stage_ious=3))
