"""Cascade Mask R-CNN R50-FPN as mmdetection has it.

Command:  python tools/train.py configs/mmdet/cascade_mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       mmdetection: box 41.2, mask 35.9; ours not run.
Weights:  cascade-mask-rcnn_r50_fpn_1x_coco
"""

_base_ = "../cascade_mask_r50.py"

model = dict(
    recipe="mmdet",
    backbone=dict(norm_frozen=False),
    roi_head=dict(
        delta_stds=[(0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067)]
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(bias_lr=1.0, bias_weight_decay=None, norm_weight_decay=None)
)
