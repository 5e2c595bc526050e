"""Mask R-CNN, ResNeXt-101 64x4d FPN, cascaded.

Command:  python tools/train.py configs/paper/table10/cascade_mask_x101_64x4d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 45.9, mask 38.8; ours not run.
"""

_base_ = "mask_x101_64x4d.py"

model = dict(roi_head=dict(stage_ious=3))
