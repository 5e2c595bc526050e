"""Cascade R-CNN, tested with the ensemble of stages 1~2.

Command:  python tools/train.py configs/paper/table2/stages_1_2.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 2: 38.5 (AP50 58.2, AP90 14.0); ours not run.

One training for all rows: `tools/test.py` on the cascade of table1/ prints them together.
"""

_base_ = "../table1/cascade.py"

model = dict(roi_head=dict(test_stages="1~2"))
