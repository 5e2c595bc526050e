"""MS-CNN on VGG-16 for KITTI's cars, vans, trucks and trams, at 1920 x 576; step 2 of its training.

Templates and kernels are the sides of squares.
"""

model = dict(
    type="cascadekit.CascadeRCNN",
    num_classes=4,
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
        frozen_stages=2,
        weights="torchvision://vgg16",
    ),
    neck=dict(type="cascadekit.MSCNNNeck"),
    rpn_head=dict(
        type="cascadekit.MSCNNProposals",
        branches=[
            dict(stride=8, templates=[60, 84], kernels=[5, 7], buffer=True, loss_weight=0.9),
            dict(stride=16, templates=[120, 168], kernels=[5, 7]),
            dict(stride=32, templates=[240, 336], kernels=[5, 7]),
            dict(stride=64, templates=[480], kernels=[5]),
        ],
        coder=dict(
            type="cascadekit.BoundedDeltaCoder",
            stds=(1.0, 1.0, 1.0, 1.0),
            most_shift=0.5,
            most_scale=2.0,
        ),
        sampler=dict(type="cascadekit.NegativeSampler", choose="hardest"),
        box_weight=1.0,
        train_cut=-8.0,
        test_cut=-5.0,
        train_count=3000,
        test_count=2000,
        nms_iou=0.65,
        min_size=15.0,
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(
            type="cascadekit.ContextPool",
            pool=dict(type="cascadekit.RoIPool", output_size=7, stride=4),
        ),
        bbox_head=dict(
            type="cascadekit.BBoxHead",
            in_channels=1024,
            num_convs=1,
            conv_channels=512,
            conv_padding=0,
            fc_channels=4096,
            num_fcs=1,
            dropout=0.5,
        ),
        stage_ious=(0.5,),
        background_iou=(0.1, 0.5),
        skip_ignored=True,
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        sampler=dict(type="cascadekit.RandomSampler", num=64, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.0,
            nms_iou=0.5,
            max_detections=1000,
        ),
    ),
)
