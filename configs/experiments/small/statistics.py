"""Three stages at 0.5, statistics updated for each.

Command:  python tools/train.py configs/experiments/small/statistics.py --seed 0
Hardware: 2 CPU cores, about 6 minutes.
"""

_base_ = "cascade.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.5, 0.5)))
