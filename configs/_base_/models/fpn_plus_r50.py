"""Faster R-CNN on FPN+, ResNet-50: the baseline of the paper's Tables 1 to 6, with 256 RoIs.

As the released Caffe code has it, except for the picture: its ResNet was trained on BGR pictures of
mean (104, 117, 123) with the stride in the 1x1 convolutions, torchvision's, which we load, on RGB
pictures with the stride in the 3x3.

The released cascades train with 512 RoIs and more proposals: sampler num=512, train_proposals=
((1500, 1500, 1000, 1000), None), train_score_threshold=(0.05, 0.05, 0.05, 0.0). ResNet-101 tests
with score_threshold=(0.05, 0.05, 0.025, 0.005), its baseline trains with (0.1, 0.1, 0.05, 0.0),
and all its anchors around cells of the picture are trained on: border_share=0.5.
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
        type="cascadekit.FPNPlus",
        in_channels=[256, 512, 1024, 2048],
        out_channels=256,
    ),
    rpn_head=dict(
        type="cascadekit.RPNHead",
        in_channels=256,
        shared=False,
        objectness="softmax",
        anchors=dict(
            type="cascadekit.AnchorGenerator",
            strides=[4, 8, 16, 32],
            sides=[[32], [64], [128], [256, 512]],
            center_offset=0.5,
        ),
        coder=dict(type="cascadekit.BoundedDeltaCoder", most_shift=1.0, most_scale=8.0),
        assigner=dict(
            type="cascadekit.CentreMatchAssigner",
            pos_iou=0.7,
            neg_iou=0.3,
            centre_iou=0.2,
            ignore_cover=0.4,
        ),
        sampler=dict(type="cascadekit.RandomSampler", num=64, pos_fraction=0.5),
        sample_per_level=True,
        border_share=0.25,
        beta=1.0,
        box_loss_average="positives",
        loss_weight=0.25,
        train_proposals=(1000, None),
        test_proposals=(1000, None),
        score_threshold=(0.1, 0.1, 0.05, 0.01),
        min_size=(5, 5, 15, 15),
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(
            type="cascadekit.CornerRoIAlign",
            output_size=7,
            strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(type="cascadekit.BBoxHead", in_channels=256, fc_channels=1024),
        stage_ious=(0.5,),
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        delta_clamp="none",
        sampler=dict(type="cascadekit.RandomSampler", num=256, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.001,
            nms_iou=0.5,
            max_detections=100,
        ),
    ),
)
