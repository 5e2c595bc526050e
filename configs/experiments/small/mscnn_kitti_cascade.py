"""Cascade MS-CNN on drawn roads in KITTI's format; scored by the third head alone.

Command:  python tools/train.py configs/experiments/small/mscnn_kitti_cascade.py --seed 0
Hardware: 2 CPU cores, about 8 minutes by the size of its pictures (not timed).
"""

_base_ = "mscnn_kitti.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7), test_stages="3"))
