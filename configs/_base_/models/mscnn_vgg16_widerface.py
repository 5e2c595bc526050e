"""MS-CNN on VGG-16 for WiderFace; step 2 of its training.

The "align" variant of the released files: each branch has a 3x3 convolution of its own instead of
conv6_1, and the heads read conv4_3 at stride 8. The template they call 192 is 196 x 196 there.
"""

model = dict(
    type="cascadekit.CascadeRCNN",
    num_classes=1,
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
        out_indices=["conv4_3", "conv5_3"],
        frozen_stages=-1,
        weights="torchvision://vgg16",
    ),
    neck=dict(type="cascadekit.MSCNNNeck", upsample=False, conv6=False),
    rpn_head=dict(
        type="cascadekit.MSCNNProposals",
        branches=[
            dict(
                stride=8,
                templates=[12, 16, 24, 32, 48],
                kernels=[1, 1, 1, 1, 1],
                buffer=True,
                loss_weight=0.9,
            ),
            dict(
                stride=16,
                templates=[64, 96],
                kernels=[1, 1],
                buffer=True,
            ),
            dict(
                stride=32,
                templates=[128, 196],
                kernels=[1, 1],
                buffer=True,
            ),
            dict(
                stride=64,
                templates=[256, 384, 480],
                kernels=[1, 1, 1],
                buffer=True,
            ),
        ],
        coder=dict(
            type="cascadekit.BoundedDeltaCoder",
            stds=(0.1, 0.1, 0.2, 0.2),
            most_shift=1.0,
            most_scale=4.0,
        ),
        sampler=dict(type="cascadekit.NegativeSampler", choose="hardest"),
        box_weight=1.0,
        train_cut=-4.0,
        test_cut=-3.0,
        train_count=1000,
        test_count=3000,
        nms_iou=0.65,
        min_size=5.0,
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(
            type="cascadekit.ContextPool",
            pool=dict(type="cascadekit.CornerRoIAlign", output_size=5, strides=[8]),
        ),
        bbox_head=dict(
            type="cascadekit.BBoxHead",
            in_channels=1024,
            num_convs=1,
            conv_channels=512,
            fc_channels=2048,
            num_fcs=1,
            dropout=0.5,
        ),
        stage_ious=(0.45,),
        background_iou=(0.05, 0.44),
        skip_ignored=True,
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        sampler=dict(type="cascadekit.RandomSampler", num=128, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.05,
            nms_iou=0.3,
            max_detections=3000,
        ),
    ),
)
