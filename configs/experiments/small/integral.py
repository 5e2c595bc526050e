"""Integral loss: one regressor, three classifiers trained at 0.5, 0.6 and 0.7.

Command:  python tools/train.py configs/experiments/small/integral.py --seed 0
Hardware: 2 CPU cores, about 6 minutes.
"""

_base_ = "u05.py"

head = dict(type="cascadekit.BBoxHead", in_channels=64, fc_channels=256)
classifier = dict(regress=False, **head)
model = dict(
    roi_head=dict(
        stage_ious=3,
        bbox_head=[head, classifier, classifier],
        flow=dict(type="cascadekit.StageFlow", rois="shared"),
        stage_loss="sum",
    )
)
