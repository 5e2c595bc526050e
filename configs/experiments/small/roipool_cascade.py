"""Faster R-CNN on one map with RoIPool, cascaded.

Command:  python tools/train.py configs/experiments/small/roipool_cascade.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.
"""

_base_ = "roipool.py"

model = dict(roi_head=dict(stage_ious=3))
