"""Mask R-CNN.

Command:  python tools/train.py configs/experiments/small/mask.py --seed 0
Hardware: 2 CPU cores, about 6 minutes.
"""

_base_ = [
    "../../_base_/models/faster_lite.py",
    "../../_base_/models/mask_branch_lite.py",
    "../../_base_/datasets/small_instance.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(
    num_classes=6,
    roi_head=dict(postprocess=dict(score_threshold=0.001), **_base_.mask_branch),
)
