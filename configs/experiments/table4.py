"""Table 4: the number of stages."""

title = "Table 4: one to four stages"
source = "Table 4"
question = "How many stages are worth having?"
arms = {
    "1 stage": dict(arm="u05", scores="final/bbox"),
    "2 stages (1~2)": dict(arm="cascade2", scores="1~2/bbox", beside="1 stage"),
    "3 stages (1~3)": dict(arm="cascade", scores="1~3/bbox", beside="2 stages (1~2)"),
    "4 stages (1~3)": dict(arm="cascade4", scores="1~3/bbox", beside="3 stages (1~3)"),
    "4 stages (1~4)": dict(arm="cascade4", scores="1~4/bbox", beside="3 stages (1~3)"),
}
layout = ["table", "gains"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "1 stage": (34.9, 57.0, 51.9, 43.6, 29.7, 7.1),
    "2 stages (1~2)": (38.2, 58.0, 53.6, 46.7, 34.6, 13.6),
    "3 stages (1~3)": (38.9, 57.8, 53.4, 46.9, 35.8, 15.8),
    "4 stages (1~3)": (38.9, 57.4, 53.2, 46.8, 36.0, 16.0),
    "4 stages (1~4)": (38.6, 57.2, 52.8, 46.2, 35.5, 16.3),
}
claims = ["C12"]
data = ["shapes", "cards"]
note = "The fourth stage is trained at u = 0.75, as in the paper."
