"""Four stages, at 0.5, 0.6, 0.7 and 0.75.

Command:  python tools/train.py configs/experiments/small/cascade4.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.

The statistics of the fourth, a quarter of the first's, are our guess.
"""

_base_ = "u05.py"

model = dict(roi_head=dict(stage_ious=4))
