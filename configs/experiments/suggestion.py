"""Not in the paper: the cascade that the proposal-quality report suggests, beside the default."""

title = "The suggested cascade beside the default one"
source = "not in the paper; cascadekit's proposal-quality report"
question = (
    "Are stage IoUs and statistics read from the one-stage detector's proposals better than the "
    "paper's 0.5, 0.6 and 0.7?"
)
arms = {
    "one stage": dict(arm="u05", scores="final/bbox", suggestion=""),
    "default cascade": dict(arm="cascade", scores="final/bbox", beside="one stage"),
    "suggested cascade": dict(arm="suggested", scores="final/bbox", beside="default cascade"),
}
layout = ["suggestion", "table", "gains"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
data = ["shapes", "cards"]
note = "The suggestion is made before the default cascade is trained, from the training set alone."
