"""Rising thresholds and updated statistics: the cascade.

Command:  python tools/train.py configs/paper/table3/both.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 3: 38.9 (AP50 57.8, AP90 15.8); ours not run.
"""

_base_ = "../table1/cascade.py"

model = dict(roi_head=dict(stage_loss="decay"))
