"""Fast R-CNN on stored proposals, ResNet-50 FPN, cascaded.

Command:  python tools/train.py configs/paper/table7/cascade_fast_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: number not found; ours not run.
"""

_base_ = "fast_r50.py"

model = dict(roi_head=dict(stage_ious=3))
