"""One stage, u = 0.6.

Command:  python tools/train.py configs/experiments/small/u06.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.
"""

_base_ = "u05.py"

model = dict(roi_head=dict(stage_ious=(0.6,)))
