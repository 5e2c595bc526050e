"""All stages at 0.5, statistics updated for each.

Command:  python tools/train.py configs/paper/table3/statistics.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 3: 37.5 (AP50 57.8, AP90 13.1); ours not run.
"""

_base_ = "../table1/cascade.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.5, 0.5)))
