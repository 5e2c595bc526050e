"""Faster R-CNN on one map with RoIPool, in the place of VGG and AlexNet.

Command:  python tools/train.py configs/experiments/small/roipool.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.

Pictures of 288 px: cells of 16 px are coarse for RoIPool, which rounds to them.
"""

_base_ = [
    "../../_base_/models/roipool_lite.py",
    "../../_base_/datasets/small_large.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(num_classes=6, roi_head=dict(postprocess=dict(score_threshold=0.001)))
