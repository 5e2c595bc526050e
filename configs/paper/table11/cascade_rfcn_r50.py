"""R-FCN, ResNet-50, cascaded, VOC.

Command:  python tools/train.py configs/paper/table11/cascade_rfcn_r50.py
Hardware: 2 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 11: 51.8 (AP50 78.5, AP75 57.1); ours not run.
"""

_base_ = "rfcn_r50.py"

model = dict(roi_head=dict(stage_ious=3))
