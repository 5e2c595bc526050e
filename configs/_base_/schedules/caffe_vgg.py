"""Faster R-CNN with VGG-16 on COCO: 100k iterations of 8 pictures (2 GPUs, 4 each).

The rate is 0.003 in the released code, whose README has the numbers of Table 6; the paper writes
0.002.

As the released Caffe code: no warm-up; the heads' faster learning takes weight decay along, and
biases (not the backbone's) learn twice as fast, with decay.
"""

train_cfg = dict(type="IterBasedTrainLoop", max_iters=100000, val_interval=10000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.003, momentum=0.9, weight_decay=0.0005),
    constructor="cascadekit.HeadLearningRate",
    paramwise_cfg=dict(scale_weight_decay=True, bias_lr=2.0),
)
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=False, milestones=[60000, 90000], gamma=0.1),
]
auto_scale_lr = dict(enable=True, base_batch_size=8)
