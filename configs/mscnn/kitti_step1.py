"""MS-CNN VGG-16, KITTI, step 1: proposals only, for kitti_base and kitti_cascade.

Command:  python tools/train.py configs/mscnn/kitti_step1.py
Hardware: 1 GPU, 4 images; any number, the learning rate follows.
AP:       step 1 has none. Ours not run.
"""

_base_ = [
    "../_base_/models/mscnn_vgg16_kitti.py",
    "../_base_/datasets/kitti.py",
    "../_base_/schedules/mscnn_step1.py",
    "../_base_/runtime.py",
]

model = dict(
    backbone=dict(frozen_stages=-1),
    rpn_head=dict(sampler=dict(choose="random"), box_weight=0.05),
    roi_head=None,
)
