"""Mask R-CNN, ResNet-50 FPN with group norm, cascaded.

Command:  python tools/train.py configs/paper/table10/cascade_mask_r50_gn.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 42.9, mask 36.6; ours not run.
"""

_base_ = "mask_r50_gn.py"

model = dict(roi_head=dict(stage_ious=3))
