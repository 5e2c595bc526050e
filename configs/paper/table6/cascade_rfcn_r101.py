"""R-FCN, ResNet-101, cascaded.

Command:  python tools/train.py configs/paper/table6/cascade_rfcn_r101.py
Hardware: 4 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 6, val: 33.3 (AP50 52.0, AP75 35.2); ours not run.
"""

_base_ = "rfcn_r101.py"

model = dict(
    rpn_head=dict(train_score_threshold=0.025),
    roi_head=dict(stage_ious=3),
)
