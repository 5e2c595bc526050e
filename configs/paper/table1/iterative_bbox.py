"""Iterative BBox: the baseline's head applied three times in inference.

Command:  python tools/train.py configs/paper/table1/iterative_bbox.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 1: 35.4 (AP50 57.2, AP90 8.1); ours not run.

The same weights as the baseline: train that, or test its checkpoint with this config.
"""

_base_ = "baseline.py"

model = dict(roi_head=dict(test_iterations=3))
