"""Table 1: the cascade beside iterative boxes and the integral loss."""

title = "Table 1: iterative boxes, integral loss and Cascade R-CNN"
source = "Table 1"
question = "Is a cascade better than its two simpler relatives, and at which overlaps?"
arms = {
    "FPN+ baseline": dict(arm="u05", scores="final/bbox"),
    "Iterative BBox": dict(arm="iterative", scores="final/bbox", beside="FPN+ baseline"),
    "Integral loss": dict(arm="integral", scores="final/bbox", beside="FPN+ baseline"),
    "Cascade R-CNN": dict(arm="cascade", scores="final/bbox", beside="FPN+ baseline"),
}
layout = ["table", "ap_curves"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "FPN+ baseline": (34.9, 57.0, 51.9, 43.6, 29.7, 7.1),
    "Iterative BBox": (35.4, 57.2, 52.1, 44.2, 30.4, 8.1),
    "Integral loss": (35.4, 57.3, 52.5, 44.4, 29.9, 6.9),
    "Cascade R-CNN": (38.9, 57.8, 53.4, 46.9, 35.8, 15.8),
}
claims = ["C9"]
data = ["shapes", "cards"]
note = (
    "Ours has a small FPN on EfficientNet-Lite0 in the place of FPN+ with ResNet-50. The paper "
    "does not say which application's scores iterative boxes use; ours are the last one's."
)
