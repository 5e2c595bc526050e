"""MS-CNN VGG-16, CityPersons, step 1: proposals only, for citypersons_{base,cascade}.

Command:  python tools/train.py configs/mscnn/citypersons_step1.py
Hardware: 1 GPU, 4 images (or 2 GPUs, 2 each); any number, the learning rate follows.
AP:       step 1 has none. Ours not run.
"""

_base_ = [
    "../_base_/models/mscnn_vgg16_citypersons.py",
    "../_base_/datasets/citypersons.py",
    "../_base_/schedules/mscnn_step1.py",
    "../_base_/runtime.py",
]

model = dict(rpn_head=dict(sampler=dict(choose="random"), box_weight=0.5), roi_head=None)
