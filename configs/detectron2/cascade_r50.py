"""Cascade R-CNN R50-FPN as detectron2 has it.

Command:  python tools/train.py configs/detectron2/cascade_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       detectron2: no figure of its own; ours not run.
Weights:  Misc/cascade_mask_rcnn_R_50_FPN_1x without its masks.
          A training starts from MSRA's R-50.pkl: model.backbone.weights=FILE.
"""

_base_ = "../cascade_r50.py"

model = dict(
    recipe="detectron2",
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(style="caffe", weights=None),
)
optim_wrapper = dict(paramwise_cfg=dict(bias_lr=1.0, bias_weight_decay=None))
