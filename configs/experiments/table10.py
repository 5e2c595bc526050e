"""Table 10: boxes and masks on several backbones."""

title = "Table 10: boxes and masks, with and without group norm"
source = "Table 10 (val2017)"
question = "Do boxes and masks gain on every backbone?"
arms = {
    "R50": dict(arm="mask", scores="final"),
    "R50, cascade": dict(arm="mask_c", scores="final", beside="R50"),
    "R50-GN": dict(arm="mask_gn", scores="final"),
    "R50-GN, cascade": dict(arm="mask_gn_cascade", scores="final", beside="R50-GN"),
}
layout = ["table", "gains"]
columns = {
    "box AP": "bbox/AP",
    "box AP50": "bbox/AP50",
    "box AP75": "bbox/AP75",
    "mask AP": "segm/AP",
    "mask AP50": "segm/AP50",
    "mask AP75": "segm/AP75",
}
paper = {
    "R50": (37.7, 59.2, 40.9, 33.9, 55.8, 35.8),
    "R50, cascade": (41.3, 59.6, 44.9, 35.4, 56.2, 37.8),
    "R50-GN": (39.2, 60.5, 42.9, 34.9, 57.1, 36.9),
    "R50-GN, cascade": (42.9, 60.7, 46.6, 36.6, 57.7, 39.2),
    "R101": (40.0, 61.8, 43.7, 35.9, 58.3, 38.0),
    "R101, cascade": (43.3, 61.7, 47.2, 37.1, 58.6, 39.8),
    "R101-GN": (41.1, 62.1, 45.1, 36.3, 58.9, 38.5),
    "R101-GN, cascade": (44.8, 62.8, 48.8, 38.0, 59.8, 40.8),
    "X101-64x4d": (42.4, 64.3, 46.4, 37.5, 60.6, 39.9),
    "X101-64x4d, cascade": (45.9, 64.4, 50.2, 38.8, 61.3, 41.6),
    "X101-32x8d": (42.1, 64.1, 45.9, 37.3, 60.3, 39.5),
    "X101-32x8d, cascade": (45.8, 64.1, 50.3, 38.6, 60.6, 41.5),
    "X152-32x8d": (45.2, 66.9, 49.7, 39.7, 63.5, 42.4),
    "X152-32x8d, cascade": (48.1, 66.7, 52.6, 40.7, 63.7, 43.8),
    "X152-32x8d, test aug": (48.1, 68.3, 52.9, 41.5, 65.1, 44.7),
    "X152-32x8d, test aug, cascade": (50.2, 68.2, 55.0, 42.3, 65.4, 45.8),
}
claims = ["C13", "C15"]
data = ["shapes"]
note = (
    "The paper's numbers are those of its authors' code release. R50 stands for EfficientNet-Lite0 "
    "here; masks are learned at the last stage (strategy c)."
)
