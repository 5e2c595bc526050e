# Drawn roads in KITTI's format; all sizes are a third of those for KITTI: 256 x 192 of 640 x 192
# around a vehicle, at several scales; vehicles below 12 pixels and DontCare are ignored.
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.DrawnKittiDataset",
        split="train",
        num_images=600,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.ObjectCrop", size=(256, 192), scales=(20, 160)),
            dict(type="cascadekit.IgnoreSmall", min_height=12),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    drop_last=False,
    sampler=dict(type="mmengine.DefaultSampler", shuffle=False),
    dataset=dict(
        type="cascadekit.DrawnKittiDataset",
        split="val",
        num_images=200,
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.KittiMetric")
test_evaluator = val_evaluator
