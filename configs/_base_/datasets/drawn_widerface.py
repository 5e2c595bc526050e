# Drawn crowds in WiderFace's format, by the rules for WiderFace: a window around a face, here of
# 192 x 192, at the picture's own size; faces below 8 pixels and invalid ones are ignored.
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.DrawnWiderFaceDataset",
        split="train",
        num_images=600,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.ObjectCrop", size=(192, 192)),
            dict(type="cascadekit.IgnoreSmall", min_width=8, min_height=8),
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
        type="cascadekit.DrawnWiderFaceDataset",
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
val_evaluator = dict(type="cascadekit.WiderFaceMetric")
test_evaluator = val_evaluator
