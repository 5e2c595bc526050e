"""R-FCN.

Command:  python tools/train.py configs/experiments/small/rfcn.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.

Pictures of 288 px, since its only map is coarse.
"""

_base_ = [
    "../../_base_/models/rfcn_lite.py",
    "../../_base_/datasets/small_large.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(num_classes=6, roi_head=dict(postprocess=dict(score_threshold=0.001)))
