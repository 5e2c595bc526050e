"""R-FCN, ResNet-101.

Command:  python tools/train.py configs/paper/table6/rfcn_r101.py
Hardware: 4 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 6, val: 30.3 (AP50 52.2, AP75 30.8); ours not run.
"""

_base_ = "rfcn_r50.py"

model = dict(backbone=dict(depth=101, weights="torchvision://resnet101"))
