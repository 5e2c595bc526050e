"""Table 2: what each stage adds."""

title = "Table 2: each stage of the cascade"
source = "Table 2"
question = "How much does each stage add, and does the ensemble of their classifiers help?"
arms = {
    "stage 1": dict(arm="cascade", scores="1/bbox"),
    "stage 2": dict(arm="cascade", scores="2/bbox", beside="stage 1"),
    "stage 3": dict(arm="cascade", scores="3/bbox", beside="stage 2"),
    "stages 1~2": dict(arm="cascade", scores="1~2/bbox", beside="stage 2"),
    "stages 1~3": dict(arm="cascade", scores="1~3/bbox", beside="stage 3"),
}
layout = ["table", "ap_curves"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "stage 1": (35.5, 57.2, 52.4, 44.1, 30.5, 8.1),
    "stage 2": (38.3, 57.9, 53.4, 46.4, 35.2, 14.2),
    "stage 3": (38.3, 56.6, 52.2, 46.3, 35.7, 15.9),
    "stages 1~2": (38.5, 58.2, 53.8, 46.7, 35.0, 14.0),
    "stages 1~3": (38.9, 57.8, 53.4, 46.9, 35.8, 15.8),
}
claims = ["C10"]
data = ["shapes", "cards"]
note = "All rows are one training, tested in five ways."
