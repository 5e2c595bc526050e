"""Cascade Mask R-CNN, strategy (d): masks trained on each stage's positives, a head for each.

Command:  python tools/train.py configs/experiments/small/mask_d.py --seed 0
Hardware: 2 CPU cores, about 8 minutes.
"""

_base_ = "mask.py"

model = dict(roi_head=dict(stage_ious=3, mask_strategy="d"))
