"""Figure 4: IoU of each stage's training samples."""

title = "Figure 4: IoU of the training samples of each stage"
source = "Figure 4"
question = (
    "Are there enough positives at a high u for the first stage, and does each stage hand the next "
    "one enough of them?"
)
arms = {
    "stage 1": dict(arm="cascade", samples="stage1"),
    "stage 2": dict(arm="cascade", samples="stage2"),
    "stage 3": dict(arm="cascade", samples="stage3"),
}
layout = ["histograms", "table"]
columns = {">= 0.5": "share50", ">= 0.6": "share60", ">= 0.7": "share70", ">= u": "share_u"}
paper = {
    "stage 1": (16.7, 8.0, 2.9, 16.7),
    "stage 2": (25.6, 21.7, 17.3, 21.7),
    "stage 3": (28.0, 25.1, 21.7, 21.7),
}
claims = ["C3"]
data = ["shapes", "cards"]
note = (
    "Share of the samples, in percent; copies of the ground truth are left out. The paper's bars "
    "count up to 100,000 samples, ours as many as the small training set gives, so the shares are "
    "what compares."
)
