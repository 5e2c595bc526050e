"""Cascade R-CNN, three stages at 0.5, 0.6 and 0.7.

Command:  python tools/train.py configs/experiments/small/cascade.py --seed 0
Hardware: 2 CPU cores, about 6 minutes.
"""

_base_ = "u05.py"

model = dict(roi_head=dict(stage_ious=3))
