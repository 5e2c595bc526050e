"""Faster R-CNN, ResNet-50 FPN.

Command:  python tools/train.py configs/paper/table7/r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 7: 36.7 (AP50 58.4, AP75 39.6); ours not run.
"""

_base_ = "../../faster_r50.py"
