"""Table 11: another, smaller data set of photos (VOC in the paper)."""

title = "Table 11: another data set"
source = "Table 11 (VOC 2007 test, COCO's metric)"
question = "Does the gain hold on data of another kind and size?"
arms = {
    "VGG": dict(arm="roipool", scores="final/bbox"),
    "VGG, cascade": dict(arm="roipool_cascade", scores="final/bbox", beside="VGG"),
    "R-FCN (R50)": dict(arm="rfcn", scores="final/bbox"),
    "R-FCN (R50), cascade": dict(arm="rfcn_cascade", scores="final/bbox", beside="R-FCN (R50)"),
}
layout = ["table", "gains"]
columns = ["AP", "AP50", "AP75"]
paper = {
    "AlexNet": (29.4, 63.2, 23.7),
    "AlexNet, cascade": (38.9, 66.5, 40.5),
    "VGG": (42.9, 76.4, 44.1),
    "VGG, cascade": (51.2, 79.1, 56.3),
    "R-FCN (R50)": (44.8, 77.5, 46.8),
    "R-FCN (R50), cascade": (51.8, 78.5, 57.1),
    "R-FCN (R101)": (49.4, 79.8, 53.2),
    "R-FCN (R101), cascade": (54.2, 79.6, 59.2),
}
claims = ["C13"]
data = ["cards"]
note = (
    "VOC takes a download; real photos given by --data are in its place, with the same small "
    "detectors as in Table 6."
)
