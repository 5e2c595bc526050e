"""Faster R-CNN, ResNet-50, FPN, 2-fc head: the detector every R50 config starts from.

What differs between implementations is left to `model.recipe`: `cascadekit recipes` prints it.
"""

model = dict(
    type="cascadekit.CascadeRCNN",
    num_classes=80,
    data_preprocessor=dict(
        type="cascadekit.DetectionPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type="cascadekit.ResNet",
        depth=50,
        style="pytorch",
        frozen_stages=1,
        norm_frozen=True,
        weights="torchvision://resnet50",
    ),
    neck=dict(
        type="cascadekit.FPN",
        in_channels=[256, 512, 1024, 2048],
        out_channels=256,
        num_outs=5,
    ),
    rpn_head=dict(
        type="cascadekit.RPNHead",
        in_channels=256,
        anchors=dict(
            type="cascadekit.AnchorGenerator",
            strides=[4, 8, 16, 32, 64],
            scales=[8],
            ratios=[0.5, 1.0, 2.0],
        ),
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(
            type="cascadekit.PyramidRoIAlign",
            output_size=7,
            strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(type="cascadekit.BBoxHead", in_channels=256, fc_channels=1024),
        stage_ious=(0.5,),
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        sampler=dict(type="cascadekit.RandomSampler", num=512, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.05,
            nms_iou=0.5,
            max_detections=100,
        ),
    ),
)
