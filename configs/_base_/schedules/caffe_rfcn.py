"""R-FCN on COCO: 280k iterations of 4 pictures (4 GPUs, 1 each).

As the released Caffe code: no warm-up; the heads' faster learning takes weight decay along, and
biases (not the backbone's) learn twice as fast, with decay.
"""

train_cfg = dict(type="IterBasedTrainLoop", max_iters=280000, val_interval=20000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.003, momentum=0.9, weight_decay=0.0001),
    constructor="cascadekit.HeadLearningRate",
    paramwise_cfg=dict(scale_weight_decay=True, bias_lr=2.0),
)
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=False, milestones=[160000, 240000], gamma=0.1),
]
auto_scale_lr = dict(enable=True, base_batch_size=4)
