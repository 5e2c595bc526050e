# As small.py, with stored proposals; `cascadekit proposals` writes the two files.
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    batch_sampler=dict(type="cascadekit.AspectRatioBatchSampler"),
    dataset=dict(
        type="cascadekit.ShapesDataset",
        split="train",
        num_images=1000,
        image_size=192,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(
                type="cascadekit.LoadProposals",
                file="work_dirs/u05/proposals_train.safetensors",
                most=300,
            ),
            dict(type="cascadekit.Resize", scale=(384, 192)),
            dict(type="cascadekit.RandomFlip", prob=0.5),
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
        type="cascadekit.ShapesDataset",
        split="val",
        num_images=300,
        image_size=192,
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(
                type="cascadekit.LoadProposals",
                file="work_dirs/u05/proposals_val.safetensors",
                most=300,
            ),
            dict(type="cascadekit.Resize", scale=(384, 192)),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
