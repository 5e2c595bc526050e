"""Mask R-CNN, ResNeXt-152 32x8d FPN, cascaded.

Command:  python tools/train.py configs/paper/table10/cascade_mask_x152.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 10: box 48.1, mask 40.7; ours not run.

With `tools/test.py --tta`: box 50.2, mask 42.3. ImageNet-5k weights must be
given as model.backbone.weights.
"""

_base_ = "mask_x152.py"

model = dict(roi_head=dict(stage_ious=3))
