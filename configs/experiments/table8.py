"""Table 8: recall of the boxes that enter each stage."""

title = "Table 8: recall of proposals, stage by stage"
source = "Table 8"
question = "Do the boxes that a stage receives cover the objects better than those before it?"
arms = {
    "FPN baseline": dict(arm="u05", recall="stage1"),
    "cascade, stage 1": dict(arm="cascade", recall="stage1", beside="FPN baseline"),
    "cascade, stage 2": dict(arm="cascade", recall="stage2", beside="cascade, stage 1"),
    "cascade, stage 3": dict(arm="cascade", recall="stage3", beside="cascade, stage 2"),
}
layout = ["table", "gains"]
columns = {
    "AR1k": "AR1000",
    "AR100": "AR100",
    "AR1k S": "AR1000_small",
    "AR1k M": "AR1000_medium",
    "AR1k L": "AR1000_large",
}
paper = {
    "cascade, stage 1": (59.1, None, None, None, None),
    "cascade, stage 2": (70.7, None, None, None, None),
}
claims = ["C14"]
data = ["shapes", "cards"]
note = (
    "Only two cells of this table were found. The small detectors propose at most 300 boxes, so "
    "AR1k counts all of them. Boxes of later stages are ranked by the best class probability of "
    "the stage before."
)
