# VOC 2007 and 2012 as the released Caffe code trains R-FCN: no colour jitter; tested on VOC 2007.
# COCO's metric; difficult objects do not count.
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmengine.InfiniteSampler", shuffle=True),
    batch_sampler=dict(type="cascadekit.AspectRatioBatchSampler"),
    dataset=dict(
        type="cascadekit.VOCDataset",
        image_dir=[
            "data/VOCdevkit/VOC2007/JPEGImages/",
            "data/VOCdevkit/VOC2012/JPEGImages/",
        ],
        ann_dir=[
            "data/VOCdevkit/VOC2007/Annotations/",
            "data/VOCdevkit/VOC2012/Annotations/",
        ],
        split_file=[
            "data/VOCdevkit/VOC2007/ImageSets/Main/trainval.txt",
            "data/VOCdevkit/VOC2012/ImageSets/Main/trainval.txt",
        ],
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(1000, 600)),
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
        type="cascadekit.VOCDataset",
        image_dir="data/VOCdevkit/VOC2007/JPEGImages/",
        ann_dir="data/VOCdevkit/VOC2007/Annotations/",
        split_file="data/VOCdevkit/VOC2007/ImageSets/Main/test.txt",
        test_mode=True,
        pipeline=[
            dict(type="cascadekit.LoadImage"),
            dict(type="cascadekit.Resize", scale=(1000, 600), multiple=32),
            dict(type="cascadekit.PackInputs", with_masks=False),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="cascadekit.CocoMetric")
test_evaluator = val_evaluator
