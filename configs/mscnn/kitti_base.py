"""MS-CNN VGG-16, KITTI, step 2: proposals and one head, from what step 1 left.

Command:  python tools/train.py configs/mscnn/kitti_base.py         (after kitti_step1)
Hardware: 1 GPU, 4 images; any number, the learning rate follows.
AP:       paper Table 12: values not found. Ours not run.
"""

_base_ = [
    "../_base_/models/mscnn_vgg16_kitti.py",
    "../_base_/datasets/kitti.py",
    "../_base_/schedules/mscnn_step2.py",
    "../_base_/runtime.py",
]

load_from = "work_dirs/kitti_step1/iter_10000.pth"
