"""Faster R-CNN, ResNet-101 FPN.

Command:  python tools/train.py configs/paper/table7/r101.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 39.4 (AP50 61.2, AP75 43.4); ours not run.
"""

_base_ = "../../faster_r101.py"
