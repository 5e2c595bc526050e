# KITTI's cars, vans, trucks and trams as COCO json; vehicles below 35 pixels and DontCare: iscrowd.
# Whole pictures: the released training crops 768 x 576 around a vehicle, at several scales.
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.CocoDataset",
        ann_file="data/kitti/coco/vehicle_train.json",
        image_dir="data/kitti/training/image_2/",
        min_size=32,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(1920, 576), keep_ratio=False),
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
        ann_file="data/kitti/coco/vehicle_val.json",
        image_dir="data/kitti/training/image_2/",
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(1920, 576), keep_ratio=False),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
