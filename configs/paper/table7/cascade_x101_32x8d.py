"""Faster R-CNN, ResNeXt-101 32x8d FPN, cascaded.

Command:  python tools/train.py configs/paper/table7/cascade_x101_32x8d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 44.7 (AP50 63.7, AP75 48.8); ours not run.
"""

_base_ = "x101_32x8d.py"

model = dict(roi_head=dict(stage_ious=3))
