"""The smallest config that trains: a backbone of a few thousand weights on six drawn pictures.

Not a test. Its backbone is registered by conftest.py; the data's folder is $CASCADEKIT_DATA.
"""

default_scope = "cascadekit"
_pool = dict(type="PyramidRoIAlign", output_size=4, strides=[4, 8, 16, 32])
model = dict(
    type="CascadeRCNN",
    num_classes=6,
    data_preprocessor=dict(
        type="DetectionPreprocessor", mean=[127.0] * 3, std=[64.0] * 3, pad_size_divisor=32
    ),
    backbone=dict(type="TinyBackbone"),
    neck=dict(type="FPN", in_channels=[8] * 4, out_channels=8, num_outs=5),
    rpn_head=dict(
        type="RPNHead",
        in_channels=8,
        feat_channels=8,
        anchors=dict(type="AnchorGenerator", scales=[4]),
        sampler=dict(type="RandomSampler", num=32, pos_fraction=0.5),
        train_proposals=(500, 300),
        test_proposals=(50, 50),
    ),
    roi_head=dict(
        type="CascadeRoIHead",
        box_pool=_pool,
        bbox_head=dict(type="BBoxHead", in_channels=8, fc_channels=16),
        stage_ious=(0.5, 0.6),
        sampler=dict(type="RandomSampler", num=32, pos_fraction=0.25),
        postprocess=dict(type="Postprocess", score_threshold=0.0, max_detections=5),
        mask_pool=_pool,
        mask_head=dict(type="MaskHead", in_channels=8, conv_channels=8, num_convs=1),
    ),
)
_load = dict(type="LoadImage")
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="ShapesDataset",
        split="train",
        num_images=6,
        image_size=64,
        pipeline=[_load, dict(type="RandomFlip"), dict(type="PackInputs", with_masks=True)],
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="ShapesDataset",
        split="val",
        num_images=3,
        image_size=64,
        test_mode=True,
        pipeline=[_load, dict(type="PackInputs")],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
train_cfg = dict(type="IterBasedTrainLoop", max_iters=4, val_interval=100)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9),
    constructor="HeadLearningRate",
)
param_scheduler = [dict(type="LinearLR", start_factor=0.5, by_epoch=False, begin=0, end=4)]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1),
    checkpoint=dict(type="CheckpointHook", interval=2, by_epoch=False),
)
custom_hooks = [dict(type="CheckData"), dict(type="StopOnInvalidLoss", interval=1)]
env_cfg = dict(mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
log_processor = dict(type="StageLog", window_size=1, by_epoch=False)
