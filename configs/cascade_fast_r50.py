"""Cascade R-CNN R50-FPN on stored proposals, COCO, 1x; fast_r50.py says how to make them.

Command:  python tools/train.py configs/cascade_fast_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
Box AP:   a row of the paper's Table 7 whose number we have not found; ours not run.
"""

_base_ = "fast_r50.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7)))
