"""Both, with stage losses weighted alike (avg) instead of decaying.

Command:  python tools/train.py configs/paper/table3/both_avg.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 3: about the same as decay; number not found; ours not run.
"""

_base_ = "../table1/cascade.py"

model = dict(roi_head=dict(stage_loss="avg"))
