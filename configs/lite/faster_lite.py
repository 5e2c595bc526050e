"""Faster R-CNN on EfficientNet-Lite0, for a CPU and small data sets.

Command:  python tools/train.py configs/lite/faster_lite.py --data my/voc_folder --val-data ...
Hardware: 2 CPU cores, about 12 minutes.
Ours:     playing cards, --schedule lite_short (300 iterations): box AP 65.7, AP90 25.0.
"""

_base_ = [
    "../_base_/models/faster_lite.py",
    "../_base_/datasets/coco_lite.py",
    "../_base_/schedules/lite.py",
    "../_base_/runtime.py",
]
