"""Figure 1: the same photos through detectors of rising quality."""

title = "Figure 1: what a higher u does to detections"
source = "Figure 1 (a, b)"
question = (
    "Do detections of a u = 0.5 detector come with close false positives, and does training at "
    "u = 0.7, or a cascade, make them fewer and tighter?"
)
arms = {
    "u = 0.5": dict(arm="u05", pictures="", scores="final/bbox"),
    "u = 0.7": dict(arm="u07", pictures="", scores="final/bbox"),
    "Cascade R-CNN": dict(arm="cascade", pictures="", scores="final/bbox"),
}
layout = ["pictures", "table"]
columns = ["AP", "AP50", "AP70", "AP90"]
paper = {
    "u = 0.5": (34.9, None, None, None),
    "u = 0.7": (31.9, None, None, None),
    "Cascade R-CNN": (38.9, 57.8, 46.9, 15.8),
}
data = ["shapes", "cards"]
note = (
    "Pictures are the first of the val set that show one to six objects: chosen by the ground "
    "truth, not by what a detector did. Detections with a score of 0.3 or more are drawn, of the "
    "first seed."
)
