"""Figure 9 (a): iterating one regressor beside the cascade's regressors."""

title = "Figure 9 (a): one regressor three times, or three regressors"
source = "Figure 9 (a)"
question = (
    "Does applying the same u = 0.5 regressor again make good boxes worse, and do the cascade's "
    "own regressors avoid it?"
)
arms = {
    "iterative, 1st": dict(arm="iterative", localisation="stage1"),
    "iterative, 3rd": dict(arm="iterative", localisation="stage3"),
    "cascade, 1st": dict(arm="cascade", localisation="stage1"),
    "cascade, 3rd": dict(arm="cascade", localisation="stage3"),
}
layout = ["localisation"]
claims = ["C8"]
data = ["shapes", "cards"]
note = (
    "Measured per application: x is the IoU of the boxes that enter it, y the IoU of what leaves "
    "it. The paper prints curves only, no numbers."
)
