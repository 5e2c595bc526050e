"""Cascade R-CNN, three stages at 0.5, 0.6 and 0.7.

Command:  python tools/train.py configs/paper/table1/cascade.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 1: 38.9 (AP50 57.8, AP90 15.8); ours not run.
"""

_base_ = "baseline.py"

model = dict(roi_head=dict(stage_ious=3))
