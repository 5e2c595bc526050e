"""Mask R-CNN R50-FPN as torchvision has it.

Command:  python tools/train.py configs/torchvision/maskrcnn_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
AP:       torchvision: box 37.9, mask 34.6; ours not run.
Weights:  maskrcnn_resnet50_fpn, by tools/convert_checkpoint.py IN OUT --drop-unused.
"""

_base_ = "fasterrcnn_r50.py"

pool = dict(type="cascadekit.PyramidRoIAlign", output_size=14, aligned=False, sampling_ratio=2)
mask_head = dict(type="cascadekit.MaskHead", in_channels=256)
model = dict(roi_head=dict(mask_pool=pool, mask_head=mask_head))
pipeline = [
    dict(type="cascadekit.LoadImage"),
    dict(type="cascadekit.Resize", scale=(1333, 800)),
    dict(type="cascadekit.RandomFlip", prob=0.5),
    dict(type="cascadekit.PackInputs", with_masks=True),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
