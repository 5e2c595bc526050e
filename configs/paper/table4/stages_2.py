"""2 stages.

Command:  python tools/train.py configs/paper/table4/stages_2.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 4: 38.2 (AP50 58.0, AP90 13.6); ours not run.
"""

_base_ = "../table1/baseline.py"

model = dict(roi_head=dict(stage_ious=2))
