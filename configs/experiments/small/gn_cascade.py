"""Group norm in pyramid and heads, cascaded.

Command:  python tools/train.py configs/experiments/small/gn_cascade.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.
"""

_base_ = "gn.py"

model = dict(roi_head=dict(stage_ious=3))
