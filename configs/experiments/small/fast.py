"""Fast R-CNN on stored proposals, those of u05.

Command:  python tools/train.py configs/experiments/small/fast.py --seed 0
Hardware: 2 CPU cores, about 5 minutes.

First:    python tools/dump_proposals.py configs/experiments/small/u05.py U05.pth \
              work_dirs/u05/proposals_train.safetensors --split train --most 300
          and the same with proposals_val.safetensors --split val
"""

_base_ = [
    "../../_base_/models/faster_lite.py",
    "../../_base_/datasets/small_proposals.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(
    num_classes=6,
    rpn_head=None,
    roi_head=dict(postprocess=dict(score_threshold=0.001)),
)
