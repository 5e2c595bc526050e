"""Table 7: other backbones, group norm, and Fast R-CNN on stored proposals."""

title = "Table 7: backbones, group norm, stored proposals"
source = "Table 7 (Detectron's FPN, val2017)"
question = (
    "Does the gain hold for other backbones, with group norm, and where the proposals were "
    "computed before and do not learn along?"
)
arms = {
    "Fast R-CNN": dict(arm="fast", scores="final/bbox"),
    "Fast R-CNN, cascade": dict(arm="fast_cascade", scores="final/bbox", beside="Fast R-CNN"),
    "R50": dict(arm="u05", scores="final/bbox"),
    "R50, cascade": dict(arm="cascade", scores="final/bbox", beside="R50"),
    "R50-GN": dict(arm="gn", scores="final/bbox"),
    "R50-GN, cascade": dict(arm="gn_cascade", scores="final/bbox", beside="R50-GN"),
    "another backbone": dict(arm="resnet", scores="final/bbox"),
    "another backbone, cascade": dict(
        arm="resnet_cascade", scores="final/bbox", beside="another backbone"
    ),
}
layout = ["table", "gains"]
columns = {
    "AP": "AP",
    "AP50": "AP50",
    "AP75": "AP75",
    "AP S": "AP_small",
    "AP M": "AP_medium",
    "AP L": "AP_large",
}
_sizes = (None, None, None)
paper = {
    "Fast R-CNN": (36.4, None, None, *_sizes),
    "R50": (36.7, 58.4, 39.6, *_sizes),
    "R50, cascade": (40.9, 59.0, 44.6, *_sizes),
    "R50-GN": (38.4, 59.9, 41.7, *_sizes),
    "R50-GN, cascade": (42.2, 60.6, 45.8, *_sizes),
    "R101": (39.4, 61.2, 43.4, *_sizes),
    "R101, cascade": (42.8, 61.4, 46.1, *_sizes),
    "R101-GN": (39.9, 61.3, 43.3, *_sizes),
    "R101-GN, cascade": (43.8, 62.2, 47.6, *_sizes),
    "X101-64x4d": (41.5, 63.8, 44.9, *_sizes),
    "X101-64x4d, cascade": (45.4, 64.0, 49.8, *_sizes),
    "X101-32x8d": (41.3, 63.7, 44.7, *_sizes),
    "X101-32x8d, cascade": (44.7, 63.7, 48.8, *_sizes),
}
claims = ["C13"]
data = ["shapes", "cards"]
note = (
    "The paper's numbers here are those of its authors' code release (Detectron-Cascade-RCNN). "
    "R50 stands for EfficientNet-Lite0 here; the other backbone is a ResNet-18 with group norm, "
    "trained from scratch for twice as long. Fast R-CNN learns on the stored proposals of the "
    "one-stage u = 0.5 detector."
)
