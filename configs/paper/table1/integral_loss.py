"""Integral loss: one regressor, three classifiers trained at 0.5, 0.6 and 0.7.

Command:  python tools/train.py configs/paper/table1/integral_loss.py
Hardware: 8 GPUs, 1 image each; any number, the learning rate follows.
AP:       paper Table 1: 35.4 (AP50 57.3, AP90 6.9); ours not run.

The paper does not say how the losses are weighted; here they are added up.
"""

_base_ = "baseline.py"

head = dict(type="cascadekit.BBoxHead", in_channels=256, fc_channels=1024)
classifier = dict(regress=False, **head)
model = dict(
    roi_head=dict(
        stage_ious=3,
        bbox_head=[head, classifier, classifier],
        flow=dict(type="cascadekit.StageFlow", rois="shared"),
        stage_loss="sum",
    )
)
