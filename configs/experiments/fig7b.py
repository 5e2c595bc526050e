"""Figure 7 (b): ground truth added to the proposals."""

title = "Figure 7 (b): ground truth among the proposals"
source = "Figure 7 (b)"
question = (
    "How good could the same detectors be if the proposals were perfect, and which of them needs "
    "good proposals most?"
)
arms = {
    "u = 0.5": dict(arm="u05", swap="rpn+gt"),
    "u = 0.6": dict(arm="u06", swap="rpn+gt"),
    "u = 0.7": dict(arm="u07", swap="rpn+gt"),
    "u = 0.5, no ground truth": dict(arm="u05", swap="rpn"),
    "u = 0.6, no ground truth": dict(arm="u06", swap="rpn"),
    "u = 0.7, no ground truth": dict(arm="u07", swap="rpn"),
}
for _u in ("0.5", "0.6", "0.7"):
    arms[f"u = {_u}"]["beside"] = f"u = {_u}, no ground truth"
layout = ["ap_curves", "table", "gains"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
paper = {
    "u = 0.5": (39.4, None, None, None, None, None),
    "u = 0.6": (45.7, None, None, None, None, None),
    "u = 0.7": (49.5, None, None, None, None, None),
    "u = 0.5, no ground truth": (34.9, None, None, None, None, None),
    "u = 0.6, no ground truth": (35.4, None, None, None, None, None),
    "u = 0.7, no ground truth": (31.9, None, None, None, None, None),
}
claims = ["C6"]
data = ["shapes", "cards"]
note = "Ground truth is a proposal like any other: the detector still has to score and refine it."
