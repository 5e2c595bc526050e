"""Table 3: rising thresholds and updated statistics."""

title = "Table 3: rising IoU thresholds and updated statistics"
source = "Table 3"
question = "Do the rising thresholds and the updated regression statistics each help by themselves?"
arms = {
    "neither": dict(arm="same_iou", scores="final/bbox"),
    "IoU up": dict(arm="iou_up", scores="final/bbox", beside="neither"),
    "statistics": dict(arm="statistics", scores="final/bbox", beside="neither"),
    "both (decay)": dict(arm="cascade", scores="final/bbox", beside="neither"),
    "both (avg)": dict(arm="cascade_avg", scores="final/bbox", beside="both (decay)"),
}
layout = ["table", "gains"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "neither": (36.8, 57.8, 52.9, 45.4, 32.0, 10.7),
    "IoU up": (38.5, 58.4, 54.1, 47.1, 35.0, 13.1),
    "statistics": (37.5, 57.8, 53.1, 45.5, 33.3, 13.1),
    "both (decay)": (38.9, 57.8, 53.4, 46.9, 35.8, 15.8),
    "both (avg)": (None, None, None, None, None, None),
}
claims = ["C11"]
data = ["shapes", "cards"]
note = (
    "Weights of the stages act on the gradients that enter the pooled features (heads learn at "
    "full speed in either scheme), as AdamW would divide a scaled loss out again."
)
