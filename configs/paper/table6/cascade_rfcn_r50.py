"""R-FCN, ResNet-50, cascaded.

Command:  python tools/train.py configs/paper/table6/cascade_rfcn_r50.py
Hardware: 4 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 6, val: 31.1 (AP50 49.8, AP75 32.8); ours not run.
"""

_base_ = "rfcn_r50.py"

model = dict(roi_head=dict(stage_ious=3))
