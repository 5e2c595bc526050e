"""Figure 9 (b): the classifiers of the integral loss."""

title = "Figure 9 (b): the three classifiers of the integral loss"
source = "Figure 9 (b)"
question = "Do classifiers trained at several u on the same boxes add up to a better detector?"
arms = {
    "u = 0.5": dict(arm="integral", scores="1/bbox"),
    "u = 0.6": dict(arm="integral", scores="2/bbox", beside="u = 0.5"),
    "u = 0.7": dict(arm="integral", scores="3/bbox", beside="u = 0.5"),
    "ensemble": dict(arm="integral", scores="1~3/bbox", beside="u = 0.5"),
}
layout = ["ap_curves", "table"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "u = 0.5": (35.4, None, None, None, None, None),
    "u = 0.6": (35.5, None, None, None, None, None),
    "u = 0.7": (33.7, None, None, None, None, None),
    "ensemble": (35.4, 57.3, 52.5, 44.4, 29.9, 6.9),
}
claims = ["C9"]
data = ["shapes", "cards"]
note = "The weights of the three losses are not in the paper; ours are added up."
