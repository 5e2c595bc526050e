"""Cascade MS-CNN VGG-16, CityPersons, step 2: proposals and three heads, from what step 1 left.

Command:  python tools/train.py configs/mscnn/citypersons_cascade.py      (after citypersons_step1)
Hardware: 2 GPUs, 2 images each; any number, the learning rate follows.
AP:       MR50, reasonable, test: 11.62 (leaderboard); paper Table 13 not found. Ours not run.
"""

_base_ = "citypersons_base.py"

model = dict(roi_head=dict(stage_ious=(0.45, 0.65, 0.75)))
