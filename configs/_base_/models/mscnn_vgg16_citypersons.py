"""MS-CNN on VGG-16 for CityPersons at 2688 x 1344; step 2 of its training.

Templates and kernels are (width, height), the pooled grid is (height, width).
What is not said is the default of the parts, as for KITTI: stds of the stages, suppression at 0.65,
proposals of 15 pixels or more, and a box loss of weight 1.
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
        frozen_stages=2,
        weights="torchvision://vgg16",
    ),
    neck=dict(type="cascadekit.MSCNNNeck"),
    rpn_head=dict(
        type="cascadekit.MSCNNProposals",
        branches=[
            dict(
                stride=8,
                templates=[(30, 60), (42, 84)],
                kernels=[(3, 5), (5, 7)],
                buffer=True,
                loss_weight=0.9,
            ),
            dict(
                stride=16,
                templates=[(60, 120), (84, 168)],
                kernels=[(3, 5), (5, 7)],
            ),
            dict(
                stride=32,
                templates=[(120, 240), (168, 336)],
                kernels=[(3, 5), (5, 7)],
            ),
            dict(
                stride=64,
                templates=[(240, 480), (336, 672)],
                kernels=[(3, 5), (5, 7)],
            ),
        ],
        coder=dict(
            type="cascadekit.BoundedDeltaCoder",
            stds=(0.1, 0.1, 0.2, 0.2),
            most_shift=0.5,
            most_scale=2.0,
        ),
        sampler=dict(type="cascadekit.NegativeSampler", choose="hardest"),
        train_cut=-10.0,
        test_cut=-3.0,
        train_count=3000,
        test_count=2000,
    ),
    roi_head=dict(
        type="cascadekit.CascadeRoIHead",
        box_pool=dict(
            type="cascadekit.ContextPool",
            pool=dict(type="cascadekit.RoIPool", output_size=(8, 4), stride=4),
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
        sampler=dict(type="cascadekit.RandomSampler", num=32, pos_fraction=0.25),
        postprocess=dict(
            type="cascadekit.Postprocess",
            score_threshold=0.0,
            nms_iou=0.5,
            max_detections=1000,
        ),
    ),
)
