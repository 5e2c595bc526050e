"""What a cascade costs (the columns of Table 6 on speed)."""

title = "What a cascade costs"
source = "Table 6 (test time per picture, one Titan Xp)"
question = "How much more time does a cascade take than the detector that it is made of?"
arms = {
    "Faster R-CNN (VGG)": dict(arm="faster_vgg16", cost="", given=True),
    "Faster R-CNN (VGG), cascade": dict(
        arm="cascade_faster_vgg16", cost="", given=True, beside="Faster R-CNN (VGG)"
    ),
    "R-FCN (R50)": dict(arm="rfcn_r50", cost="", given=True),
    "R-FCN (R50), cascade": dict(arm="cascade_rfcn_r50", cost="", given=True, beside="R-FCN (R50)"),
    "R-FCN (R101)": dict(arm="rfcn_r101", cost="", given=True),
    "R-FCN (R101), cascade": dict(
        arm="cascade_rfcn_r101", cost="", given=True, beside="R-FCN (R101)"
    ),
    "FPN+ (R50)": dict(arm="fpn_plus_r50", cost="", given=True),
    "FPN+ (R50), cascade": dict(
        arm="cascade_fpn_plus_r50", cost="", given=True, beside="FPN+ (R50)"
    ),
    "FPN+ (R101)": dict(arm="fpn_plus_r101", cost="", given=True),
    "FPN+ (R101), cascade": dict(
        arm="cascade_fpn_plus_r101", cost="", given=True, beside="FPN+ (R101)"
    ),
    "small FPN": dict(arm="u05", cost=""),
    "small FPN, cascade": dict(arm="cascade", cost="", beside="small FPN"),
}
layout = ["table", "gains"]
columns = {"s / picture": "seconds_per_image", "GFLOP": "gflop"}
scale = 1.0
gain = "ratio"
digits = 3
paper = {
    "Faster R-CNN (VGG)": (0.075, None),
    "Faster R-CNN (VGG), cascade": (0.115, None),
    "R-FCN (R50)": (0.07, None),
    "R-FCN (R50), cascade": (0.075, None),
    "R-FCN (R101)": (0.075, None),
    "R-FCN (R101), cascade": (0.083, None),
    "FPN+ (R50)": (0.095, None),
    "FPN+ (R50), cascade": (0.115, None),
    "FPN+ (R101)": (0.115, None),
    "FPN+ (R101), cascade": (0.14, None),
}
claims = ["C16"]
data = ["shapes", "cards", "full size"]
note = (
    "Full size: random weights, one picture of 640 x 480, two CPU cores (how, in the page on costs "
    "of the documentation); the paper measured on a GPU. Shapes and photos: the small detectors."
)
