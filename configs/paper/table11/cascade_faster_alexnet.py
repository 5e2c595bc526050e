"""Faster R-CNN, AlexNet, cascaded, VOC.

Command:  python tools/train.py configs/paper/table11/cascade_faster_alexnet.py
Hardware: 2 GPUs, 4 images each; any number, the learning rate follows.
AP:       paper Table 11: 38.9 (AP50 66.5, AP75 40.5); ours not run.
"""

_base_ = "faster_alexnet.py"

model = dict(roi_head=dict(stage_ious=3))
