# CityPersons' pedestrians, as the released code of MS-CNN trains on them: 960 x 960 of 2688 x 1344
# around a person, at several scales; people below 40 pixels and all other labels are ignored.
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.CityPersonsDataset",
        image_dir="data/citypersons/leftImg8bit/train/",
        ann_file="data/citypersons/annotations/anno_train.mat",
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.Resize", scale=(2688, 1344), keep_ratio=False),
            dict(type="cascadekit.ObjectCrop", size=(960, 960), scales=(40, 475)),
            dict(type="cascadekit.IgnoreSmall", min_height=40),
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
        type="cascadekit.CityPersonsDataset",
        image_dir="data/citypersons/leftImg8bit/val/",
        ann_file="data/citypersons/annotations/anno_val.mat",
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(2688, 1344), keep_ratio=False),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CityPersonsMetric")
test_evaluator = val_evaluator
