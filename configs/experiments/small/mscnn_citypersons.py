"""MS-CNN on drawn streets in CityPersons' format: templates and rules two fifths of CityPersons'.

Command:  python tools/train.py configs/experiments/small/mscnn_citypersons.py --seed 0
Hardware: 2 CPU cores, about 8 minutes by the size of its pictures (not timed).
"""

_base_ = [
    "../../_base_/models/mscnn_lite.py",
    "../../_base_/datasets/drawn_citypersons.py",
    "../../_base_/schedules/small.py",
    "../../_base_/runtime.py",
]

# Kernels are squares, to have a short config; CityPersons' own are upright.
model = dict(
    rpn_head=dict(
        branches=[
            dict(stride=8, templates=[(12, 24), (17, 34)], kernels=[3, 5], buffer=True),
            dict(stride=16, templates=[(24, 48), (34, 67)], kernels=[3, 5]),
            dict(stride=32, templates=[(48, 96), (67, 134)], kernels=[3, 5]),
            dict(stride=64, templates=[(96, 192)], kernels=[3]),
        ],
    ),
    roi_head=dict(box_pool=dict(pool=dict(output_size=(8, 4))), stage_ious=(0.45,)),
)
