"""Fast R-CNN on stored proposals, ResNet-50 FPN.

Command:  python tools/train.py configs/paper/table7/fast_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       Detectron 36.4 (paper Table 7's baseline); ours not run.

The proposals come first: see the header of configs/fast_r50.py.
"""

_base_ = "../../fast_r50.py"
