"""One stage, u = 0.5: the baseline of the experiments on two cores.

Command:  python tools/train.py configs/experiments/small/u05.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.
"""

_base_ = [
    "../../_base_/models/faster_lite.py",
    "../../_base_/datasets/small.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(num_classes=6, roi_head=dict(postprocess=dict(score_threshold=0.001)))
