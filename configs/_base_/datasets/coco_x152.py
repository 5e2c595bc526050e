# COCO 2017 with masks as Detectron trains the ResNeXt-152: short side 640 to 800.
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
            dict(
                type="cascadekit.Resize",
                scale=[
                    (1333, 640),
                    (1333, 672),
                    (1333, 704),
                    (1333, 736),
                    (1333, 768),
                    (1333, 800),
                ],
            ),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.PackInputs", with_masks=True),
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
            dict(type="cascadekit.Resize", scale=(1333, 800)),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
