"""FPN+: a pyramid with a path up beside the path down, and an RPN for each level.

Command:  python tools/train.py configs/experiments/small/fpn_plus.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.
"""

_base_ = [
    "../../_base_/models/fpn_plus_lite.py",
    "../../_base_/datasets/small.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(num_classes=6, roi_head=dict(postprocess=dict(score_threshold=0.001)))
