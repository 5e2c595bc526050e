"""Cascade Mask R-CNN (lite) on Shapes, drawn on the spot: the model of `make demo`.

Command:  python tools/train.py configs/shapes/cascade_mask_shapes.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.
"""

_base_ = "mask_shapes.py"

model = dict(roi_head=dict(stage_ious=(0.5, 0.6, 0.7), mask_strategy="c"))
