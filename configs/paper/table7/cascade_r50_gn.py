"""Faster R-CNN, ResNet-50 FPN with group norm, cascaded.

Command:  python tools/train.py configs/paper/table7/cascade_r50_gn.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 42.2 (AP50 60.6, AP75 45.8); ours not run.
"""

_base_ = "r50_gn.py"

model = dict(roi_head=dict(stage_ious=3))
