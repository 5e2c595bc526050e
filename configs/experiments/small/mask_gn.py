"""Mask R-CNN with group norm in the pyramid and in all heads.

Command:  python tools/train.py configs/experiments/small/mask_gn.py --seed 0
Hardware: 2 CPU cores, about 8 minutes.
"""

_base_ = "mask.py"

head = dict(num_convs=2, conv_channels=64, num_fcs=1, norm_groups=32)
model = dict(
    neck=dict(norm="GN"),
    roi_head=dict(bbox_head=head, mask_head=dict(norm_groups=32)),
)
