# COCO 2017 as the released Caffe code trains and tests FPN+: 800 pixels, colour jitter.
# The released training pads to 1312 x 800 and cuts from longer pictures; here those become smaller.
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    batch_sampler=dict(type="cascadekit.AspectRatioBatchSampler"),
    dataset=dict(
        type="cascadekit.CocoDataset",
        ann_file="data/coco/annotations/instances_train2017.json",
        image_dir="data/coco/train2017/",
        min_size=32,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.ColourJitter"),
            dict(type="cascadekit.Resize", scale=(1312, 800)),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="mmengine.DefaultSampler", shuffle=False),
    dataset=dict(
        type="cascadekit.CocoDataset",
        ann_file="data/coco/annotations/instances_val2017.json",
        image_dir="data/coco/val2017/",
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(1312, 800), multiple=32),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
