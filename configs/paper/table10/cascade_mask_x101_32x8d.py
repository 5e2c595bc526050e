"""Mask R-CNN, ResNeXt-101 32x8d FPN, cascaded.

Command:  python tools/train.py configs/paper/table10/cascade_mask_x101_32x8d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 45.8, mask 38.6; ours not run.
"""

_base_ = "mask_x101_32x8d.py"

model = dict(roi_head=dict(stage_ious=3))
