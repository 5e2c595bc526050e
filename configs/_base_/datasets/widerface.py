# WiderFace, as MS-CNN's released code trains on it: 512 x 512 around a face, at the picture's own
# size; faces below 8 pixels and invalid ones are ignored.
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    dataset=dict(
        type="cascadekit.WiderFaceDataset",
        image_dir="data/widerface/WIDER_train/images/",
        ann_file="data/widerface/wider_face_split/wider_face_train_bbx_gt.txt",
        min_size=32,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.RandomFlip", prob=0.5),
            dict(type="cascadekit.ObjectCrop", size=(512, 512)),
            dict(type="cascadekit.IgnoreSmall", min_width=8, min_height=8),
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
        type="cascadekit.WiderFaceDataset",
        image_dir="data/widerface/WIDER_val/images/",
        ann_file="data/widerface/wider_face_split/wider_face_val_bbx_gt.txt",
        subset_dir="data/widerface/ground_truth/",
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
