# CityPersons as COCO json, one class; all that is no pedestrian to learn: iscrowd.
# Whole pictures: the released training crops 960 x 960 around a person, at several scales.
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.CocoDataset",
        ann_file="data/citypersons/coco/train.json",
        image_dir="data/citypersons/images/train/",
        min_size=32,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(2688, 1344), keep_ratio=False),
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
        ann_file="data/citypersons/coco/val.json",
        image_dir="data/citypersons/images/val/",
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(2688, 1344), keep_ratio=False),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
