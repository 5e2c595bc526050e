"""Fast R-CNN R50-FPN on stored proposals, COCO, 1x.

First:    python tools/dump_proposals.py configs/faster_r50.py faster.pth \
              data/proposals/coco_train2017.safetensors --split train --most 2000 \
              --cfg-options "model.rpn_head.test_proposals=(1000,2000)"
          and the same with coco_val2017.safetensors --split val
Command:  python tools/train.py configs/fast_r50.py
Hardware: 8 GPUs, 2 images each; any number, the learning rate follows.
Box AP:   Detectron 36.4 (paper Table 7), on proposals of an RPN trained alone; ours not run.
"""

_base_ = [
    "_base_/models/faster_r50_fpn.py",
    "_base_/datasets/coco_proposals.py",
    "_base_/schedules/1x.py",
    "_base_/runtime.py",
]

model = dict(rpn_head=None)
