"""Mask R-CNN (lite) on Shapes.

Command:  python tools/train.py configs/shapes/mask_shapes.py --seed 0
Hardware: 2 CPU cores, about 4 minutes.
"""

_base_ = [
    "../_base_/models/faster_lite.py",
    "../_base_/models/mask_branch_lite.py",
    "../_base_/datasets/shapes.py",
    "../_base_/schedules/demo.py",
    "../_base_/runtime.py",
]

model = dict(num_classes=6, roi_head=_base_.mask_branch)
