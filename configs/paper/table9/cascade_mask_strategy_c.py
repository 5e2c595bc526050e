"""Cascade Mask R-CNN, strategy (c): masks trained on the last stage's positives.

Command:  python tools/train.py configs/paper/table9/cascade_mask_strategy_c.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 9: mask 35.4 (AP50 56.2, AP75 37.8); ours not run.
"""

_base_ = "mask_r50.py"

model = dict(roi_head=dict(stage_ious=3, mask_strategy="c"))
