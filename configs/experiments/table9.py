"""Table 9: strategies for the mask head."""

title = "Table 9: where in the cascade masks are learned"
source = "Table 9 (val2017)"
question = "Does a cascade make better masks, and which stage should learn them?"
arms = {
    "Mask R-CNN": dict(arm="mask", scores="final/segm"),
    "strategy (b)": dict(arm="mask_b", scores="final/segm", beside="Mask R-CNN"),
    "strategy (c)": dict(arm="mask_c", scores="final/segm", beside="Mask R-CNN"),
    "strategy (d)": dict(arm="mask_d", scores="final/segm", beside="Mask R-CNN"),
}
layout = ["table", "gains"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "Mask R-CNN": (33.9, 55.8, None, None, None, None),
    "strategy (b)": (None, None, None, None, None, None),
    "strategy (c)": (35.4, 56.2, None, None, None, None),
    "strategy (d)": (35.5, None, None, None, None, None),
}
claims = ["C15"]
data = ["shapes"]
note = (
    "Masks need masks in the data: Shapes has them, the photos have boxes only. The paper's (c) is "
    "the authors' code release, its (d) a second source that quotes the paper."
)
