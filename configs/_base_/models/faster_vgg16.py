"""Faster R-CNN on VGG-16 without a neck, two fc of 2048 units: COCO in the paper's Table 6.

As the released Caffe code has it, except for the picture: its VGG was trained on BGR pictures of
mean (104, 117, 123), torchvision's, which we load, on RGB pictures divided by a deviation too. The
fc layers start at random here, there from pruned ImageNet weights (tools/prune_fc.py makes some).

On VOC the released models leave out the 64-pixel anchors, train with 3000 proposals, drop those
below 15 pixels, and train on all anchors around cells of the picture: sides=[[128, 256, 512]],
train_proposals=(3000, None), min_size=15, border_share=0.5.
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
        type="cascadekit.VGG",
        depth=16,
        out_indices=["conv5_3"],
        frozen_stages=2,
        weights="torchvision://vgg16",
    ),
    rpn_head=dict(
        type="cascadekit.RPNHead",
        in_channels=512,
        feat_channels=512,
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
        train_proposals=(2000, None),
        test_proposals=(5000, None),
        train_score_threshold=0.01,
        score_threshold=0.05,
        min_size=5,
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(type="cascadekit.RoIPool", output_size=7, stride=16, level=0),
        bbox_head=dict(type="cascadekit.BBoxHead", in_channels=512, fc_channels=2048),
        stage_ious=(0.5,),
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        delta_clamp="none",
        sampler=dict(type="cascadekit.RandomSampler", num=128, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.001,
            nms_iou=0.5,
            max_detections=100,
        ),
    ),
)
