"""Table 6: the cascade on several detectors."""

title = "Table 6: the cascade on three kinds of detector"
source = "Table 6 (val2017)"
question = "Does the gain hold for detectors of other kinds?"
arms = {
    "Faster R-CNN (VGG)": dict(arm="roipool", scores="final/bbox"),
    "Faster R-CNN (VGG), cascade": dict(
        arm="roipool_cascade", scores="final/bbox", beside="Faster R-CNN (VGG)"
    ),
    "R-FCN (R50)": dict(arm="rfcn", scores="final/bbox"),
    "R-FCN (R50), cascade": dict(arm="rfcn_cascade", scores="final/bbox", beside="R-FCN (R50)"),
    "FPN+ (R50)": dict(arm="fpn_plus", scores="final/bbox"),
    "FPN+ (R50), cascade": dict(arm="fpn_plus_cascade", scores="final/bbox", beside="FPN+ (R50)"),
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
paper = {
    "Faster R-CNN (VGG)": (23.6, 43.9, 23.0, 8.0, 26.2, 35.5),
    "Faster R-CNN (VGG), cascade": (27.0, 44.2, 27.7, 8.6, 29.1, 42.2),
    "R-FCN (R50)": (27.0, 48.7, 26.9, 9.8, 30.9, 40.3),
    "R-FCN (R50), cascade": (31.1, 49.8, 32.8, 10.4, 34.4, 48.5),
    "R-FCN (R101)": (30.3, 52.2, 30.8, 12.0, 34.7, 44.3),
    "R-FCN (R101), cascade": (33.3, 52.0, 35.2, 11.8, 37.2, 51.1),
    "FPN+ (R50)": (36.5, 58.6, 39.2, 20.8, 40.0, 47.8),
    "FPN+ (R50), cascade": (40.3, 59.4, 43.7, 22.9, 43.7, 54.1),
    "FPN+ (R101)": (38.5, 60.6, 41.7, 22.1, 41.9, 51.1),
    "FPN+ (R101), cascade": (42.7, 61.6, 46.6, 23.8, 46.2, 57.4),
}
claims = ["C13"]
data = ["shapes", "cards"]
note = (
    "EfficientNet-Lite0 is the backbone of all three; VGG's place has one map of stride 16 with "
    "RoIPool. The rows with ResNet-101 have no small counterpart. What cascades cost has a page of "
    "its own."
)
