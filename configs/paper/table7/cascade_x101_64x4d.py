"""Faster R-CNN, ResNeXt-101 64x4d FPN, cascaded.

Command:  python tools/train.py configs/paper/table7/cascade_x101_64x4d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 45.4 (AP50 64.0, AP75 49.8); ours not run.
"""

_base_ = "x101_64x4d.py"

model = dict(roi_head=dict(stage_ious=3))
