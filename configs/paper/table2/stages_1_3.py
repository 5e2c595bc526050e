"""Cascade R-CNN, tested with the ensemble of stages 1~3.

Command:  python tools/train.py configs/paper/table2/stages_1_3.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 2: 38.9 (AP50 57.8, AP90 15.8); ours not run.

One training for all rows: `tools/test.py` on the cascade of table1/ prints them together.
"""

_base_ = "../table1/cascade.py"

model = dict(roi_head=dict(test_stages="1~3"))
