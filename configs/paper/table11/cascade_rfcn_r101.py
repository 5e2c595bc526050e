"""R-FCN, ResNet-101, cascaded, VOC.

Command:  python tools/train.py configs/paper/table11/cascade_rfcn_r101.py
Hardware: 2 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 11: 54.2 (AP50 79.6, AP75 59.2); ours not run.
"""

_base_ = "rfcn_r101.py"

model = dict(roi_head=dict(stage_ious=3))
