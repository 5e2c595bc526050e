"""Cascade Mask R-CNN, strategy (b): masks trained on the first stage's positives.

Command:  python tools/train.py configs/paper/table9/cascade_mask_strategy_b.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 9: number not found, above the baseline and below (c); ours not run.
"""

_base_ = "mask_r50.py"

model = dict(roi_head=dict(stage_ious=3, mask_strategy="b"))
