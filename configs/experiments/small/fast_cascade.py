"""Fast R-CNN on stored proposals, cascaded.

Command:  python tools/train.py configs/experiments/small/fast_cascade.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.
"""

_base_ = "fast.py"

model = dict(roi_head=dict(stage_ious=3))
