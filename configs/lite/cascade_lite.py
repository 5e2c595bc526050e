"""Cascade R-CNN on EfficientNet-Lite0, for a CPU and small data sets.

Command:  python tools/train.py configs/lite/cascade_lite.py --data my/voc_folder --val-data ...
Hardware: 2 CPU cores, about 15 minutes.
"""

_base_ = "faster_lite.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7)))
