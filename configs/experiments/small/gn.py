"""Group norm in the pyramid and in heads of two convolutions and one fc.

Command:  python tools/train.py configs/experiments/small/gn.py --seed 0
Hardware: 2 CPU cores, about 7 minutes.
"""

_base_ = "u05.py"

head = dict(num_convs=2, conv_channels=64, num_fcs=1, norm_groups=32)
model = dict(neck=dict(norm="GN"), roi_head=dict(bbox_head=head))
