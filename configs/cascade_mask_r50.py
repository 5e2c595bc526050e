"""Cascade Mask R-CNN R50-FPN, COCO, 1x: the flagship. Masks by strategy (c).

Command:  python tools/train.py configs/cascade_mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 41.3, mask 35.4; ours not run.
"""

_base_ = "mask_r50.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7)))
