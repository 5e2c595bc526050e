"""MS-CNN's first step, proposals only: 10k iterations of 4 pictures at one learning rate."""

train_cfg = dict(type="IterBasedTrainLoop", max_iters=10000, val_interval=10000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=5e-05, momentum=0.9, weight_decay=0.0005),
    constructor="cascadekit.HeadLearningRate",
)
param_scheduler = []
auto_scale_lr = dict(enable=True, base_batch_size=4)
