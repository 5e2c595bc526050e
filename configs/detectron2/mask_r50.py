"""Mask R-CNN R50-FPN as detectron2 has it.

Command:  python tools/train.py configs/detectron2/mask_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       detectron2: box 38.6, mask 35.2; ours not run.
Weights:  COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.
          A training starts from MSRA's R-50.pkl: model.backbone.weights=FILE.
"""

_base_ = "../mask_r50.py"

model = dict(
    recipe="detectron2",
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(style="caffe", weights=None),
    rpn_head=dict(train_proposals=(2000, 1000)),
    roi_head=dict(bbox_head=dict(class_agnostic=False)),
)
optim_wrapper = dict(paramwise_cfg=dict(bias_lr=1.0, bias_weight_decay=None))
