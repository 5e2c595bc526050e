"""MS-CNN VGG-16, WiderFace, step 1: proposals only, for widerface_base and widerface_cascade.

Command:  python tools/train.py configs/mscnn/widerface_step1.py
Hardware: 1 GPU, 4 images; any number, the learning rate follows.
AP:       step 1 has none. Ours not run.
"""

_base_ = [
    "../_base_/models/mscnn_vgg16_widerface.py",
    "../_base_/datasets/widerface.py",
    "../_base_/schedules/mscnn_step1.py",
    "../_base_/runtime.py",
]

model = dict(rpn_head=dict(sampler=dict(choose="random"), box_weight=0.5), roi_head=None)
optim_wrapper = dict(optimizer=dict(lr=0.0001))
