"""Figure 8: every head on every stage's boxes."""

title = "Figure 8: every head of the cascade on every stage's boxes"
source = "Figure 8"
question = "Does each head of the cascade get better with the boxes of later stages?"
arms = {
    f"head {_head}, boxes of stage {_stage}": dict(
        arm="cascade",
        matrix=f"stage{_stage}/head{_head}",
        panel=f"head {_head}, u = 0.{_head + 4}",
        **({"beside": f"head {_head}, boxes of stage 1"} if _stage > 1 else {}),
    )
    for _head in (1, 2, 3)
    for _stage in (1, 2, 3)
}
layout = ["ap_curves", "matrix", "table"]
columns = ["AP", "AP50", "AP60", "AP70", "AP80", "AP90"]
_unknown = (None,) * 5
paper = {
    "head 1, boxes of stage 1": (35.5, *_unknown),
    "head 1, boxes of stage 2": (36.5, *_unknown),
    "head 1, boxes of stage 3": (36.8, *_unknown),
    "head 2, boxes of stage 1": (35.2, *_unknown),
    "head 2, boxes of stage 2": (38.3, *_unknown),
    "head 2, boxes of stage 3": (38.4, *_unknown),
    "head 3, boxes of stage 1": (25.6, *_unknown),
    "head 3, boxes of stage 2": (35.5, *_unknown),
    "head 3, boxes of stage 3": (38.3, *_unknown),
}
claims = ["C7"]
data = ["shapes", "cards"]
note = (
    "The paper does not say whose regressor moves the boxes where head and stage differ; ours is "
    "named below the matrix."
)
