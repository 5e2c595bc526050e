# KITTI's cars, vans, trucks and trams, as MS-CNN's released code trains on them: 768 x 576 of
# 1920 x 576 around a vehicle, at several scales; vehicles below 35 pixels and DontCare are ignored.
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.KittiDataset",
        image_dir="data/kitti/training/image_2/",
        label_dir="data/kitti/training/label_2/",
        split_file="data/kitti/ImageSets/train.txt",
        classes=("Car", "Van", "Truck", "Tram"),
        min_size=32,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.Resize", scale=(1920, 576), keep_ratio=False),
            dict(type="cascadekit.ObjectCrop", size=(768, 576), scales=(60, 480)),
            dict(type="cascadekit.IgnoreSmall", min_height=35),
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
        type="cascadekit.KittiDataset",
        image_dir="data/kitti/training/image_2/",
        label_dir="data/kitti/training/label_2/",
        split_file="data/kitti/ImageSets/val.txt",
        classes=("Car", "Van", "Truck", "Tram"),
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(1920, 576), keep_ratio=False),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.KittiMetric")
test_evaluator = val_evaluator
