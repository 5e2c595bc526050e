"""Mask R-CNN, ResNeXt-152 32x8d FPN, 1.44x, scales 640 to 800.

Command:  python tools/train.py configs/paper/table10/mask_x152.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 10: box 45.2, mask 39.7; ours not run.

With `tools/test.py --tta`: box 48.1, mask 41.5. ImageNet-5k weights must be
given as model.backbone.weights.
"""

_base_ = [
    "../../_base_/models/faster_r50_fpn.py",
    "../../_base_/datasets/coco_x152.py",
    "../../_base_/schedules/detectron_x152.py",
    "../../_base_/runtime.py",
]

pool = dict(type="cascadekit.PyramidRoIAlign", output_size=14, strides=[4, 8, 16, 32])
model = dict(
    backbone=dict(depth=152, groups=32, base_width=8, weights=None),
    roi_head=dict(mask_pool=pool, mask_head=dict(type="cascadekit.MaskHead", in_channels=256)),
)
