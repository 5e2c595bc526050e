"""Mask R-CNN R50-FPN as mmdetection has it.

Command:  python tools/train.py configs/mmdet/mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       mmdetection: box 38.2, mask 34.7; ours not run.
Weights:  mask-rcnn_r50_fpn_1x_coco
"""

_base_ = "../mask_r50.py"

model = dict(
    recipe="mmdet",
    backbone=dict(norm_frozen=False),
    rpn_head=dict(beta=0.0, allowed_border=-1, train_proposals=(2000, 1000)),
    roi_head=dict(beta=0.0, best_match_iou=0.5, bbox_head=dict(class_agnostic=False)),
)
optim_wrapper = dict(
    paramwise_cfg=dict(bias_lr=1.0, bias_weight_decay=None, norm_weight_decay=None)
)
