"""Cascade R-CNN with stage losses weighted alike (avg) instead of decaying.

Command:  python tools/train.py configs/experiments/small/cascade_avg.py --seed 0
Hardware: 2 CPU cores, about 6 minutes.
"""

_base_ = "cascade.py"

model = dict(roi_head=dict(stage_loss="avg"))
