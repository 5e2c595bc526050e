# Drawn streets in CityPersons' format; sizes are two fifths of those for CityPersons, the picture a
# quarter: 240 x 240 of 672 x 336 around a person, at several scales; below 16 pixels is ignored.
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.DrawnCityPersonsDataset",
        split="train",
        num_images=600,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.Resize", scale=(672, 336), keep_ratio=False),
            dict(type="cascadekit.ObjectCrop", size=(240, 240), scales=(16, 190)),
            dict(type="cascadekit.IgnoreSmall", min_height=16),
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
        type="cascadekit.DrawnCityPersonsDataset",
        split="val",
        num_images=200,
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(672, 336), keep_ratio=False),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CityPersonsMetric")
test_evaluator = val_evaluator
