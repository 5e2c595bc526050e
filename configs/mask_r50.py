"""Mask R-CNN R50-FPN, COCO, 1x.

Command:  python tools/train.py configs/mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 37.7, mask 33.9; ours not run.
"""

_base_ = [
    "_base_/models/faster_r50_fpn.py",
    "_base_/datasets/coco_instance.py",
    "_base_/schedules/1x.py",
    "_base_/runtime.py",
]

model = dict(
    roi_head=dict(
        mask_pool=dict(
            type="cascadekit.PyramidRoIAlign",
            output_size=14,
            strides=[4, 8, 16, 32],
        ),
        mask_head=dict(type="cascadekit.MaskHead", in_channels=256),
    )
)
