"""FPN+, ResNet-50, cascaded.

Command:  python tools/train.py configs/paper/table6/cascade_fpn_plus_r50.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 6, val: 40.3 (AP50 59.4, AP75 43.7); ours not run.
"""

_base_ = "fpn_plus_r50.py"

model = dict(
    rpn_head=dict(
        train_proposals=((1500, 1500, 1000, 1000), None),
        train_score_threshold=(0.05, 0.05, 0.05, 0.0),
    ),
    roi_head=dict(stage_ious=3, sampler=dict(num=512)),
)
