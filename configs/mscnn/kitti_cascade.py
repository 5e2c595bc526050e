"""Cascade MS-CNN VGG-16, KITTI, step 2: proposals and three heads, from what step 1 left.

Command:  python tools/train.py configs/mscnn/kitti_cascade.py      (after kitti_step1)
Hardware: 1 GPU, 4 images; any number, the learning rate follows.
AP:       paper Table 12: 0.87 (moderate) and 1.9 (hard) above the base. Ours not run.
"""

_base_ = "kitti_base.py"

# The released code scores by the third head alone here, not by the ensemble.
model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7), test_stages="3"))
