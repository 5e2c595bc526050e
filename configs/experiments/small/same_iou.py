"""Three stages, all at 0.5 and with the first stage's statistics.

Command:  python tools/train.py configs/experiments/small/same_iou.py --seed 0
Hardware: 2 CPU cores, about 6 minutes.
"""

_base_ = "cascade.py"

model = dict(
    roi_head=dict(
        stage_ious=(0.5, 0.5, 0.5),
        delta_stds=[[0.1, 0.1, 0.2, 0.2]] * 3,
    )
)
