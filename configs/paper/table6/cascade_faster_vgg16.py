"""Faster R-CNN, VGG-16, cascaded.

Command:  python tools/train.py configs/paper/table6/cascade_faster_vgg16.py
Hardware: 2 GPUs, 4 images each; any number, the learning rate follows.
AP:       paper Table 6, val: 27.0 (AP50 44.2, AP75 27.7); ours not run.
"""

_base_ = "faster_vgg16.py"

model = dict(roi_head=dict(stage_ious=3))
