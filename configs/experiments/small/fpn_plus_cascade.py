"""FPN+, cascaded.

Command:  python tools/train.py configs/experiments/small/fpn_plus_cascade.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.
"""

_base_ = "fpn_plus.py"

model = dict(roi_head=dict(stage_ious=3))
