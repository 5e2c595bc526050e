"""Cascade R-CNN, tested with stage 2 alone.

Command:  python tools/train.py configs/paper/table2/stage_2.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 2: 38.3 (AP50 57.9, AP90 14.2); ours not run.

One training for all rows: `tools/test.py` on the cascade of table1/ prints them together.
"""

_base_ = "../table1/cascade.py"

model = dict(roi_head=dict(test_stages="2"))
