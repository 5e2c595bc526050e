"""Detectron's 1.44x of the ResNeXt-152: 260k iterations of 8 pictures (8 GPUs, 1 each).

As Detectron: warm-up, biases that learn twice as fast, and no weight decay for them and for norms.
"""

train_cfg = dict(type="IterBasedTrainLoop", max_iters=260000, val_interval=20000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001),
    constructor="cascadekit.HeadLearningRate",
    paramwise_cfg=dict(bias_lr=2.0, bias_weight_decay=0.0, norm_weight_decay=0.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", by_epoch=False, milestones=[200000, 240000], gamma=0.1),
]
auto_scale_lr = dict(enable=True, base_batch_size=8)
