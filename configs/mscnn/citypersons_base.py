"""MS-CNN VGG-16, CityPersons, step 2: proposals and one head, from what step 1 left.

Command:  python tools/train.py configs/mscnn/citypersons_base.py         (after citypersons_step1)
Hardware: 2 GPUs, 2 images each; any number, the learning rate follows.
AP:       MR50, reasonable, test: 13.32 (leaderboard); paper Table 13 not found. Ours not run.
"""

_base_ = [
    "../_base_/models/mscnn_vgg16_citypersons.py",
    "../_base_/datasets/citypersons.py",
    "../_base_/schedules/mscnn_step2.py",
    "../_base_/runtime.py",
]

load_from = "work_dirs/citypersons_step1/iter_10000.pth"
