"""1 stage.

Command:  python tools/train.py configs/paper/table4/stages_1.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 4: 34.9 (AP50 57.0, AP90 7.1); ours not run.
"""

_base_ = "../table1/baseline.py"

model = dict(roi_head=dict(stage_ious=1))
