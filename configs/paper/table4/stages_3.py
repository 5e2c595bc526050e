"""3 stages.

Command:  python tools/train.py configs/paper/table4/stages_3.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 4: 38.9 (AP50 57.8, AP90 15.8); ours not run.
"""

_base_ = "../table1/baseline.py"

model = dict(roi_head=dict(stage_ious=3))
