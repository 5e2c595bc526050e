"""Cascade MS-CNN on drawn streets in CityPersons' format, at CityPersons' own thresholds.

Command:  python tools/train.py configs/experiments/small/mscnn_citypersons_cascade.py --seed 0
Hardware: 2 CPU cores, about 10 minutes by the size of its pictures (not timed).
"""

_base_ = "mscnn_citypersons.py"

model = dict(roi_head=dict(stage_ious=(0.45, 0.65, 0.75)))
