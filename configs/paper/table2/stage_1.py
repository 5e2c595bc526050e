"""Cascade R-CNN, tested with stage 1 alone.

Command:  python tools/train.py configs/paper/table2/stage_1.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 2: 35.5 (AP50 57.2, AP90 8.1); ours not run.

One training for all rows: `tools/test.py` on the cascade of table1/ prints them together.
"""

_base_ = "../table1/cascade.py"

model = dict(roi_head=dict(test_stages="1"))
