"""Iterative BBox: the head of u05 applied three times in inference.

Command:  python tools/train.py configs/experiments/small/iterative.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.

The same weights as u05: train that, or test its checkpoint with this config.
"""

_base_ = "u05.py"

model = dict(roi_head=dict(test_iterations=3))
