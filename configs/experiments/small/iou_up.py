"""Rising IoU thresholds, the first stage's statistics everywhere.

Command:  python tools/train.py configs/experiments/small/iou_up.py --seed 0
Hardware: 2 CPU cores, about 6 minutes.
"""

_base_ = "cascade.py"

model = dict(roi_head=dict(delta_stds=[[0.1, 0.1, 0.2, 0.2]] * 3))
