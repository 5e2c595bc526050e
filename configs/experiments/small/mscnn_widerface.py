"""MS-CNN on drawn crowds in WiderFace's format: its templates up to 192, its rules.

Command:  python tools/train.py configs/experiments/small/mscnn_widerface.py --seed 0
Hardware: 2 CPU cores, about 6 minutes by the size of its pictures (not timed).
"""

_base_ = [
    "../../_base_/models/mscnn_lite.py",
    "../../_base_/datasets/drawn_widerface.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(
    rpn_head=dict(
        branches=[
            dict(stride=8, templates=[12, 16, 24, 32, 48], kernels=[1, 1, 1, 1, 1], buffer=True),
            dict(stride=16, templates=[64, 96], kernels=[1, 1], buffer=True),
            dict(stride=32, templates=[128], kernels=[1], buffer=True),
            dict(stride=64, templates=[192], kernels=[1], buffer=True),
        ],
        coder=dict(most_shift=1.0, most_scale=4.0),
    ),
    roi_head=dict(stage_ious=(0.45,), postprocess=dict(nms_iou=0.3)),
)
