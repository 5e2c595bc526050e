"""Figure 5: spread of the regression targets of each stage."""

title = "Figure 5: regression statistics of each stage"
source = "Figure 5"
question = (
    "Does the spread of what the regressors have to learn shrink from stage to stage, so that each "
    "needs its own normalisation?"
)
arms = {
    "stage 1": dict(arm="cascade", samples="stage1"),
    "stage 2": dict(arm="cascade", samples="stage2"),
    "stage 3": dict(arm="cascade", samples="stage3"),
}
layout = ["spread", "table"]
columns = {
    "std x": "std/0",
    "std y": "std/1",
    "std w": "std/2",
    "std h": "std/3",
    "mean x": "mean/0",
    "mean y": "mean/1",
    "mean w": "mean/2",
    "mean h": "mean/3",
}
scale = 1.0
digits = 4
paper = {
    "stage 1": (0.1234, 0.1297, 0.2272, 0.2255, 0.0020, 0.0022, 0.0161, 0.0498),
    "stage 2": (0.0606, 0.0613, 0.1221, 0.1230, 0.0048, -0.0012, -0.0007, 0.0122),
    "stage 3": (0.0391, 0.0376, 0.0798, 0.0773, 0.0032, -0.0021, -0.0017, 0.0004),
}
claims = ["C4"]
data = ["shapes", "cards"]
note = (
    "As in the paper, samples below the stage's u are left out. Part of the shrinking is that cut "
    "itself: stage 1's own samples, cut at the later u, show how much. So the spread of those, and "
    "of all samples, is given too."
)
