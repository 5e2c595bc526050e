"""R-FCN, ResNet-50, VOC 07+12 trainval, tested on VOC 07.

Command:  python tools/train.py configs/paper/table11/rfcn_r50.py
Hardware: 2 GPUs, 2 images each; any number, the learning rate follows.
AP:       paper Table 11: 44.8 (AP50 77.5, AP75 46.8); ours not run.
"""

_base_ = [
    "../../_base_/models/rfcn_r50.py",
    "../../_base_/datasets/voc_caffe_rfcn.py",
    "../../_base_/schedules/caffe_voc_rfcn.py",
    "../../_base_/runtime.py",
]

counts = dict(train_proposals=(5000, None), test_proposals=(3000, None), min_size=15)
cuts = dict(train_score_threshold=0.001, score_threshold=0.005)
rpn = dict(anchors=dict(sides=[[128, 256, 512]]), border_share=0.5, **counts, **cuts)
head = dict(sampler=dict(num=128), postprocess=dict(score_threshold=0.1, nms_iou=0.3))
model = dict(num_classes=20, rpn_head=rpn, roi_head=head)
