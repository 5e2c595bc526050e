"""MS-CNN for a CPU: EfficientNet-Lite0, a 64-channel pyramid for VGG's maps, small heads.

A config gives the templates of its data. Unlike the large ones it is trained in one step, and its
first stage's background is all below u: pictures are few, and each has to give enough of it.
"""

model = dict(
    type="cascadekit.CascadeRCNN",
    num_classes=1,
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
        type="cascadekit.FPN",
        in_channels=[40, 112, 320],
        out_channels=64,
        num_outs=4,
    ),
    rpn_head=dict(
        type="cascadekit.MSCNNProposals",
        in_channels=64,
        feat_channels=64,
        coder=dict(
            type="cascadekit.BoundedDeltaCoder",
            stds=(0.1, 0.1, 0.2, 0.2),
            most_shift=0.5,
            most_scale=2.0,
        ),
        sampler=dict(type="cascadekit.NegativeSampler", choose="hardest"),
        train_cut=-10.0,
        test_cut=-5.0,
        train_count=500,
        test_count=300,
        min_size=4.0,
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(
            type="cascadekit.ContextPool",
            pool=dict(type="cascadekit.CornerRoIAlign", output_size=5, strides=[8]),
        ),
        bbox_head=dict(
            type="cascadekit.BBoxHead",
            in_channels=128,
            num_convs=1,
            conv_channels=64,
            fc_channels=256,
            num_fcs=1,
        ),
        stage_ious=(0.5,),
        stage_loss="decay",
        loss_scaling="gradient",
        skip_ignored=True,
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        sampler=dict(type="cascadekit.RandomSampler", num=64, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.001,
            nms_iou=0.5,
            max_detections=100,
        ),
    ),
)
