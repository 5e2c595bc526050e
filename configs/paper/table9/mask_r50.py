"""Mask R-CNN, ResNet-50 FPN: the baseline of the mask strategies.

Command:  python tools/train.py configs/paper/table9/mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 9: mask 33.9 (AP50 55.8, AP75 35.8); ours not run.
"""

_base_ = "../../mask_r50.py"
