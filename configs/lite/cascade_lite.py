"""Cascade R-CNN on EfficientNet-Lite0, for a CPU and small data sets.

Command:  python tools/train.py configs/lite/cascade_lite.py --data my/voc_folder --val-data ...
Hardware: 2 CPU cores, about 15 minutes.
Ours:     playing cards, --schedule lite_short (300 iterations): box AP 75.2, AP90 48.0.
"""

_base_ = "faster_lite.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7)))
