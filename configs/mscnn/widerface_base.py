"""MS-CNN VGG-16, WiderFace, step 2: proposals and one head, from what step 1 left.

Command:  python tools/train.py configs/mscnn/widerface_base.py         (after widerface_step1)
Hardware: 1 GPU, 4 images, two iterations an update; any number, the learning rate follows.
AP:       paper Table 14: not found. Ours not run.
"""

_base_ = [
    "../_base_/models/mscnn_vgg16_widerface.py",
    "../_base_/datasets/widerface.py",
    "../_base_/schedules/mscnn_step2_wide.py",
    "../_base_/runtime.py",
]

load_from = "work_dirs/widerface_step1/iter_10000.pth"
