"""ResNet-18 with group norm, from scratch, cascaded.

Command:  python tools/train.py configs/experiments/small/resnet_cascade.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.
"""

_base_ = "resnet.py"

model = dict(roi_head=dict(stage_ious=3))
