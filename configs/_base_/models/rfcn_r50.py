"""R-FCN, ResNet-50 with a dilated res5: COCO in the paper's Table 6.

As the released Caffe code has it (anchors, counts and cuts of its proposal network, 256 RoIs an
image, plain position-sensitive pooling, no hard example mining), except for the picture: its ResNet
was trained on BGR pictures of mean (104, 117, 123) with the stride in the 1x1 convolutions;
torchvision's, which we load, on RGB pictures with the stride in the 3x3.
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
        out_indices=[2, 3],
        stage_strides=[1, 2, 2, 1],
        dilations=[1, 1, 1, 2],
        frozen_stages=1,
        norm_frozen=True,
        weights="torchvision://resnet50",
    ),
    rpn_head=dict(
        type="cascadekit.RPNHead",
        in_channels=1024,
        feat_channels=512,
        levels=[0],
        objectness="softmax",
        anchors=dict(
            type="cascadekit.AnchorGenerator",
            strides=[16],
            sides=[[64, 128, 256, 512]],
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
        sampler=dict(type="cascadekit.RandomSampler", num=256, pos_fraction=0.5),
        border_share=0.25,
        beta=1.0,
        box_loss_average="positives",
        train_proposals=(4000, None),
        test_proposals=(3000, None),
        score_threshold=0.05,
        min_size=5,
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(type="cascadekit.PSRoIPool", output_size=7, stride=16),
        bbox_head=dict(type="cascadekit.RFCNHead", in_channels=2048),
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
