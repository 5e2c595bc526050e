"""Faster R-CNN R50-FPN as torchvision has it.

Command:  python tools/train.py configs/torchvision/fasterrcnn_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       torchvision: box 37.0; ours not run.
Weights:  fasterrcnn_resnet50_fpn, by tools/convert_checkpoint.py IN OUT --drop-unused.
"""

_base_ = "../faster_r50.py"

model = dict(
    recipe="detectron2",
    data_preprocessor=dict(pad_size_divisor=64),
    rpn_head=dict(
        anchors=dict(whole_pixels=True), beta=1 / 9, box_loss_average="sampled", min_size=1e-3
    ),
    roi_head=dict(
        beta=1 / 9,
        box_pool=dict(aligned=False, sampling_ratio=2),
        bbox_head=dict(class_agnostic=False),
    ),
)
