"""Mask R-CNN, ResNet-50 FPN, cascaded.

Command:  python tools/train.py configs/paper/table10/cascade_mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 41.3, mask 35.4; ours not run.
"""

_base_ = "mask_r50.py"

model = dict(roi_head=dict(stage_ious=3))
