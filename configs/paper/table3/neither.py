"""Three stages, all at 0.5 and with the first stage's statistics.

Command:  python tools/train.py configs/paper/table3/neither.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 3: 36.8 (AP50 57.8, AP90 10.7); ours not run.
"""

_base_ = "../table1/cascade.py"

model = dict(
    roi_head=dict(
        stage_ious=(0.5, 0.5, 0.5),
        delta_stds=[[0.1, 0.1, 0.2, 0.2]] * 3,
    )
)
