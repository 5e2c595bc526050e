"""Mask R-CNN, ResNet-101 FPN.

Command:  python tools/train.py configs/paper/table10/mask_r101.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 10: box 40.0, mask 35.9; ours not run.
"""

_base_ = "../../mask_r101.py"
