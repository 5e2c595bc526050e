"""Mask R-CNN with group norm, cascaded.

Command:  python tools/train.py configs/experiments/small/mask_gn_cascade.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.
"""

_base_ = "mask_gn.py"

model = dict(roi_head=dict(stage_ious=3))
