"""Figure 2: localisation, classification and AP of detectors trained at three thresholds."""

title = "Figure 2: detectors trained at u = 0.5, 0.6 and 0.7"
source = "Figure 2 (a, b, c); CVPR 2018, Figure 1 (c, d)"
question = (
    "Is a detector best for proposals of about the IoU that it was trained at, and does a higher u "
    "by itself give a better detector?"
)
arms = {
    "u = 0.5": dict(arm="u05", localisation="stage1", loss_by_iou="stage1", scores="final/bbox"),
    "u = 0.6": dict(
        arm="u06",
        localisation="stage1",
        loss_by_iou="stage1",
        scores="final/bbox",
        beside="u = 0.5",
    ),
    "u = 0.7": dict(
        arm="u07",
        localisation="stage1",
        loss_by_iou="stage1",
        scores="final/bbox",
        beside="u = 0.5",
    ),
}
layout = ["localisation", "loss_by_iou", "ap_curves", "table"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "u = 0.5": (34.9, 57.0, 51.9, 43.6, 29.7, 7.1),
    "u = 0.6": (35.4, None, None, None, None, None),
    "u = 0.7": (31.9, None, None, None, None, None),
}
claims = ["C1", "C2"]
data = ["shapes", "cards"]
note = (
    "The u = 0.5 detector is the baseline of Table 1. Input and output IoU are those of val "
    "proposals of each detector's own proposal network, without ground truth."
)
