"""Cascade R-CNN R50-FPN, COCO, 1x.

Command:  python tools/train.py configs/cascade_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
Box AP:   paper Table 7: 40.9; ours not run.
"""

_base_ = "faster_r50.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7)))
