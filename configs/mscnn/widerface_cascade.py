"""Cascade MS-CNN VGG-16, WiderFace, step 2: proposals and three heads, from what step 1 left.

Command:  python tools/train.py configs/mscnn/widerface_cascade.py      (after widerface_step1)
Hardware: 1 GPU, 4 images, two iterations an update; any number, the learning rate follows.
AP:       paper Table 14: not found. Ours not run.
"""

_base_ = "widerface_base.py"

model = dict(roi_head=dict(stage_ious=(0.45, 0.65, 0.75)))
