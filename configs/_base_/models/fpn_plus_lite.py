"""FPN+ for a CPU: as faster_lite.py, with the neck, proposals and pooling of the paper's FPN+."""

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
        out_indices=[1, 2, 3],
        frozen_stages=1,
        weights="imagenet",
    ),
    neck=dict(
        type="cascadekit.FPNPlus",
        in_channels=[40, 112, 320],
        out_channels=64,
    ),
    rpn_head=dict(
        type="cascadekit.RPNHead",
        in_channels=64,
        feat_channels=64,
        shared=False,
        anchors=dict(
            type="cascadekit.AnchorGenerator",
            strides=[8, 16, 32],
            sides=[[32], [64], [128, 256]],
        ),
        sampler=dict(type="cascadekit.RandomSampler", num=43, pos_fraction=0.5),
        sample_per_level=True,
        loss_weight=0.33,
        train_proposals=(500, 300),
        test_proposals=(500, 300),
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(
            type="cascadekit.CornerRoIAlign",
            output_size=7,
            strides=[8, 16, 32],
        ),
        bbox_head=dict(type="cascadekit.BBoxHead", in_channels=64, fc_channels=256),
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
