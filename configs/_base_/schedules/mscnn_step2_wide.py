"""MS-CNN's second step on WiderFace: 25k updates, each of two iterations of 4 pictures.

As the released Caffe code: no warm-up; the heads' faster learning takes weight decay along, and
biases (not the backbone's) learn twice as fast, without decay. There those of the heads' fully
connected layers have it.
"""

train_cfg = dict(type="IterBasedTrainLoop", max_iters=50000, val_interval=10000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    accumulative_counts=2,
    optimizer=dict(type="SGD", lr=0.001, momentum=0.9, weight_decay=0.0005),
    constructor="cascadekit.HeadLearningRate",
    paramwise_cfg=dict(scale_weight_decay=True, bias_lr=2.0, bias_weight_decay=0.0),
)
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=False, milestones=[20000, 40000], gamma=0.1),
]
auto_scale_lr = dict(enable=True, base_batch_size=4)
