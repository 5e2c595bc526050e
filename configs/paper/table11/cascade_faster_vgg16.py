"""Faster R-CNN, VGG-16, cascaded, VOC.

Command:  python tools/train.py configs/paper/table11/cascade_faster_vgg16.py
Hardware: 2 GPUs, 4 images each; any number, the learning rate follows.
AP:       paper Table 11: 51.2 (AP50 79.1, AP75 56.3); ours not run.
"""

_base_ = "faster_vgg16.py"

model = dict(roi_head=dict(stage_ious=3))
