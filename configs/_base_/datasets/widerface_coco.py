# WiderFace as COCO json, one class; faces below 8 pixels and invalid ones: iscrowd.
# Whole pictures: the released training crops 512 x 512 around a face; no rescaling in either.
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    batch_sampler=dict(type="cascadekit.AspectRatioBatchSampler"),
    dataset=dict(
        type="cascadekit.CocoDataset",
        ann_file="data/widerface/coco/train.json",
        image_dir="data/widerface/WIDER_train/images/",
        min_size=32,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
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
        ann_file="data/widerface/coco/val.json",
        image_dir="data/widerface/WIDER_val/images/",
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
