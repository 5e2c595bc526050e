"""Cascade MS-CNN on drawn crowds in WiderFace's format, at WiderFace's own thresholds.

Command:  python tools/train.py configs/experiments/small/mscnn_widerface_cascade.py --seed 0
Hardware: 2 CPU cores, about 7 minutes by the size of its pictures (not timed).
"""

_base_ = "mscnn_widerface.py"

model = dict(roi_head=dict(stage_ious=(0.45, 0.65, 0.75)))
