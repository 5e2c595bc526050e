"""Mask R-CNN, ResNet-101 FPN, cascaded.

Command:  python tools/train.py configs/paper/table10/cascade_mask_r101.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 43.3, mask 37.1; ours not run.
"""

_base_ = "mask_r101.py"

model = dict(roi_head=dict(stage_ious=3))
