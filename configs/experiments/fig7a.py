"""Figure 7 (a): detectors fed with the cascade's proposals."""

title = "Figure 7 (a): better proposals for the same detectors"
source = "Figure 7 (a)"
question = (
    "Do the detectors trained at u = 0.6 and 0.7 gain, without retraining, when they are given the "
    "boxes that the cascade would hand to its stages of the same u?"
)
arms = {
    "u = 0.5": dict(arm="u05", swap="rpn"),
    "u = 0.6": dict(arm="u06", swap="rpn"),
    "u = 0.7": dict(arm="u07", swap="rpn"),
    "u = 0.6, cascade's proposals": dict(arm="u06", swap="cascade2", beside="u = 0.6"),
    "u = 0.7, cascade's proposals": dict(arm="u07", swap="cascade3", beside="u = 0.7"),
}
layout = ["ap_curves", "table", "gains"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "u = 0.5": (34.9, None, None, None, None, None),
    "u = 0.6": (35.4, None, None, None, None, None),
    "u = 0.7": (31.9, None, None, None, None, None),
    "u = 0.6, cascade's proposals": (36.7, None, None, None, None, None),
    "u = 0.7, cascade's proposals": (35.2, None, None, None, None, None),
}
claims = ["C5"]
data = ["shapes", "cards"]
note = (
    "The cascade is the one of the same seed and data; its stage 2 feeds u = 0.6, stage 3 u = 0.7."
)
