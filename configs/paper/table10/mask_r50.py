"""Mask R-CNN, ResNet-50 FPN.

Command:  python tools/train.py configs/paper/table10/mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 37.7, mask 33.9; ours not run.
"""

_base_ = "../../mask_r50.py"
