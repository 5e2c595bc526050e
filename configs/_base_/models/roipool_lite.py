"""Faster R-CNN without a pyramid, for a CPU: EfficientNet-Lite0, its map of stride 16, RoIPool."""

model = dict(
    type="cascadekit.CascadeRCNN",
    num_classes=80,
    data_preprocessor=dict(
        type="cascadekit.DetectionPreprocessor",
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type="cascadekit.EfficientNetLite0",
        out_indices=[2],
        frozen_stages=1,
        weights="imagenet",
    ),
    rpn_head=dict(
        type="cascadekit.RPNHead",
        in_channels=112,
        feat_channels=64,
        anchors=dict(
            type="cascadekit.AnchorGenerator",
            strides=[16],
            scales=[3, 6, 12],
            ratios=[0.5, 1.0, 2.0],
        ),
        sampler=dict(type="cascadekit.RandomSampler", num=128, pos_fraction=0.5),
        train_proposals=(500, 300),
        test_proposals=(500, 300),
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(type="cascadekit.RoIPool", output_size=7, stride=16),
        bbox_head=dict(type="cascadekit.BBoxHead", in_channels=112, fc_channels=256),
        stage_ious=(0.5,),
        stage_loss="decay",
        loss_scaling="gradient",
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        sampler=dict(type="cascadekit.RandomSampler", num=64, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.05,
            nms_iou=0.5,
            max_detections=100,
        ),
    ),
)
