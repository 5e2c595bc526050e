"""Cascade Mask R-CNN, strategy (b): masks trained on the first stage's positives.

Command:  python tools/train.py configs/experiments/small/mask_b.py --seed 0
Hardware: 2 CPU cores, about 8 minutes.
"""

_base_ = "mask.py"

model = dict(roi_head=dict(stage_ious=3, mask_strategy="b"))
