"""FPN+, ResNet-101.

Command:  python tools/train.py configs/paper/table6/fpn_plus_r101.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 6, val: 38.5 (AP50 60.6, AP75 41.7); ours not run.
"""

_base_ = "fpn_plus_r50.py"

model = dict(
    backbone=dict(depth=101, weights="torchvision://resnet101"),
    rpn_head=dict(
        border_share=0.5,
        train_score_threshold=(0.1, 0.1, 0.05, 0.0),
        score_threshold=(0.05, 0.05, 0.025, 0.005),
    ),
)
