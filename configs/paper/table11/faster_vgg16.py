"""Faster R-CNN, VGG-16, VOC 07+12 trainval, tested on VOC 07.

Command:  python tools/train.py configs/paper/table11/faster_vgg16.py
Hardware: 2 GPUs, 4 images each; any number, the learning rate follows.
AP:       paper Table 11: 42.9 (AP50 76.4, AP75 44.1); ours not run.
"""

_base_ = [
    "../../_base_/models/faster_vgg16.py",
    "../../_base_/datasets/voc_caffe.py",
    "../../_base_/schedules/caffe_voc.py",
    "../../_base_/runtime.py",
]

anchors = dict(sides=[[128, 256, 512]])
rpn = dict(anchors=anchors, train_proposals=(3000, None), min_size=15, border_share=0.5)
post = dict(score_threshold=0.1, nms_iou=0.3)
model = dict(num_classes=20, rpn_head=rpn, roi_head=dict(postprocess=post))
