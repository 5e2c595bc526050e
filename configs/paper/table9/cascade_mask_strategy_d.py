"""Cascade Mask R-CNN, strategy (d): masks trained on each stage's positives, a head for each.

Command:  python tools/train.py configs/paper/table9/cascade_mask_strategy_d.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 9: mask 35.5; ours not run.
"""

_base_ = "mask_r50.py"

model = dict(roi_head=dict(stage_ious=3, mask_strategy="d"))
