"""Mask R-CNN, ResNet-101 FPN with group norm, cascaded.

Command:  python tools/train.py configs/paper/table10/cascade_mask_r101_gn.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 44.8, mask 38.0; ours not run.
"""

_base_ = "mask_r101_gn.py"

model = dict(roi_head=dict(stage_ious=3))
