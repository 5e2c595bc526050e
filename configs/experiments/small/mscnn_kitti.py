"""MS-CNN on drawn roads in KITTI's format: templates and rules a third of KITTI's.

Command:  python tools/train.py configs/experiments/small/mscnn_kitti.py --seed 0
Hardware: 2 CPU cores, about 7 minutes by the size of its pictures (not timed).
"""

_base_ = [
    "../../_base_/models/mscnn_lite.py",
    "../../_base_/datasets/drawn_kitti.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

model = dict(
    num_classes=3,
    rpn_head=dict(
        branches=[
            dict(stride=8, templates=[20, 28], kernels=[5, 7], buffer=True),
            dict(stride=16, templates=[40, 56], kernels=[5, 7]),
            dict(stride=32, templates=[80, 112], kernels=[5, 7]),
            dict(stride=64, templates=[160], kernels=[5]),
        ],
    ),
)
