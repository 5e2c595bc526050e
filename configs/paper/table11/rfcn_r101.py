"""R-FCN, ResNet-101, VOC 07+12 trainval, tested on VOC 07.

Command:  python tools/train.py configs/paper/table11/rfcn_r101.py
Hardware: 2 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 11: 49.4 (AP50 79.8, AP75 53.2); ours not run.
"""

_base_ = "rfcn_r50.py"

model = dict(backbone=dict(depth=101, weights="torchvision://resnet101"))
