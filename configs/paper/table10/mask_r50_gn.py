"""Mask R-CNN, ResNet-50 FPN with group norm.

Command:  python tools/train.py configs/paper/table10/mask_r50_gn.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 39.2, mask 34.9; ours not run.

There are no public ImageNet weights with group norm in torchvision: give model.backbone.weights.
"""

_base_ = "../../mask_r50.py"

model = dict(
    backbone=dict(depth=50, norm="GN", norm_frozen=False, weights=None),
    neck=dict(norm="GN"),
    roi_head=dict(
        bbox_head=dict(num_convs=4, num_fcs=1, norm_groups=32),
        mask_head=dict(norm_groups=32),
    ),
)
