"""Claims on the stages of a cascade: their samples, heads, boxes and number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cascadekit.experiments.checks import Check, Claim, Formula, Reading
from cascadekit.experiments.claim_parts import (
    A_BIT,
    LITTLE,
    MUCH_OR_LITTLE,
    NOTHING,
    ap,
    difference,
    helps,
    much,
    same,
)


def _samples(stage: int, path: str) -> Reading:
    return Reading("cascade", "samples", f"stage{stage}/{path}")


_LEVEL = "level is what loses at most a quarter"
C3 = Claim(
    "C3",
    "Few samples reach a high u at the first stage, but each later stage has as many positives at "
    "its own, higher u as the first.",
    "Figure 4; section 4.3",
    (
        Check(
            "at stage 1, less than half of those that reach 0.5 reach 0.7",
            *(_samples(1, "share70"), _samples(1, "share50"), 0.5, "below"),
            "a collapse loses more than half",
            unit="x",
            paper=0.174,
        ),
        Check(
            "stage 2 has about as large a share at u = 0.6 as stage 1 at 0.5, or a larger one",
            *(_samples(2, "share_u"), _samples(1, "share_u"), 0.75, "above", _LEVEL),
            unit="x",
            paper=1.299,
        ),
        Check(
            "stage 3 has about as large a share at u = 0.7 as stage 1 at 0.5, or a larger one",
            *(_samples(3, "share_u"), _samples(1, "share_u"), 0.75, "above", _LEVEL),
            unit="x",
            paper=1.299,
        ),
    ),
    "Shares of the samples that a stage learns from, without copies of the ground truth.",
)


def _spread(stage: int) -> Formula:
    return Formula(f"spread of deltas at stage {stage}", _geometric, (_samples(stage, "std"),))


def _part_of_first(part: int) -> Formula:
    return Formula(
        f"1/{part} of that at stage 1", lambda std: _geometric(std) / part, (_samples(1, "std"),)
    )


def _geometric(std: Sequence[float | None]) -> float:
    """Geometric mean of four standard deviations; nan where one is missing or 0."""
    known = [value for value in std if value is not None and value > 0]
    if len(known) < len(std) or not known:
        return math.nan
    return math.exp(math.fsum(map(math.log, known)) / len(known))


_HALF = math.sqrt(3 / 2)  # the middle, by ratio, between 1/2 and 1/3, seen from either
C4 = Claim(
    "C4",
    "The spread of the regression targets about halves at the second stage and is about a third at "
    "the third.",
    "Figure 5; section 4.1",
    (
        Check(
            "stage 2 has about half the spread of stage 1",
            *(_spread(2), _part_of_first(2), _HALF, "within", "nearer to 1/2 than to 1/3"),
            unit="x",
            paper=1.022,
        ),
        Check(
            "stage 3 has about a third of the spread of stage 1",
            *(_spread(3), _part_of_first(3), _HALF, "within", "nearer to 1/3 than to 1/2"),
            unit="x",
            paper=0.973,
        ),
    ),
    "Geometric mean over x, y, w and h of the standard deviations of samples that reach the "
    "stage's u, as the paper prints them. Part of the shrinking comes from that cut, not from "
    "better boxes; the page of Figure 5 has the spread without it.",
)


def _cell(stage: int, head: int) -> Reading:
    return Reading("cascade", "matrix", f"stage{stage}/head{head}/AP")


def _head_gain(head: int) -> Formula:
    return difference(f"gain of head {head} from stage 1 to 3", _cell(3, head), _cell(1, head))


C7 = Claim(
    "C7",
    "Every head of the cascade gains from the boxes of later stages, the u = 0.7 head most.",
    "Figure 8",
    (
        helps("head 1 gains from the boxes of stage 3", _cell(3, 1), _cell(1, 1), paper=1.3),
        helps("head 2 gains from the boxes of stage 3", _cell(3, 2), _cell(1, 2), paper=3.2),
        helps("head 3 gains from the boxes of stage 3", _cell(3, 3), _cell(1, 3), paper=12.7),
        helps("head 3 gains more than head 1", _head_gain(3), _head_gain(1), paper=11.4),
        helps("head 3 gains more than head 2", _head_gain(3), _head_gain(2), paper=9.5),
    ),
    "Whose regressor moves the boxes where head and stage differ is not in the paper; what ours "
    "does is named on the page of Figure 8.",
)


def _choice(stages: str) -> Reading:
    return ap("cascade", f"{stages}/bbox")


C10 = Claim(
    "C10",
    "The second stage adds much, the third little, and the ensemble of all three is the best.",
    "Table 2",
    (
        much("stage 2 adds more than 1 AP to stage 1", _choice("2"), _choice("1"), paper=2.8),
        same("stage 3 adds less than 1 AP to stage 2", _choice("3"), _choice("2"), paper=0.0),
        helps("stages 1~3 beat stage 1", _choice("1~3"), _choice("1"), paper=3.4),
        helps("stages 1~3 beat stage 2", _choice("1~3"), _choice("2"), paper=0.6),
        helps("stages 1~3 beat stage 3", _choice("1~3"), _choice("3"), paper=0.6),
        helps("stages 1~3 beat stages 1~2", _choice("1~3"), _choice("1~2"), paper=0.4),
    ),
)

C11 = Claim(
    "C11",
    "Rising thresholds and updated statistics help, each alone and together; the decay and avg "
    "weights are equally good overall.",
    "Table 3; section 4.3",
    (
        helps("rising thresholds alone help", ap("iou_up"), ap("same_iou"), paper=1.7),
        helps("updated statistics alone help", ap("statistics"), ap("same_iou"), paper=0.7),
        helps("both are better than thresholds alone", ap("cascade"), ap("iou_up"), paper=0.4),
        helps("both are better than statistics alone", ap("cascade"), ap("statistics"), paper=1.4),
        same("avg and decay are the same", ap("cascade_avg"), ap("cascade")),
    ),
    "The paper's number for avg was not found; its text says that the two are about the same.",
)

_two, _three = ap("cascade2", "1~2/bbox"), ap("cascade", "1~3/bbox")
C12 = Claim(
    "C12",
    "A second stage gains much, a third a bit, a fourth nothing.",
    "Table 4",
    (
        much("a second stage gains more than 1 AP", _two, ap("u05"), paper=3.3),
        helps("a third stage gains", _three, _two, paper=0.7),
        helps(
            "the third gains less than the second",
            difference("gain of the second stage", _two, ap("u05")),
            difference("gain of the third stage", _three, _two),
            paper=2.6,
        ),
        Check(
            "a fourth stage gains less than half an AP",
            *(ap("cascade4", "1~4/bbox"), _three, A_BIT, "below"),
            "the paper calls 0.7 AP something, so nothing is less",
            paper=-0.3,
        ),
    ),
)


def _recall(stage: int) -> Reading:
    return Reading("cascade", "recall", f"stage{stage}/AR1000")


C14 = Claim(
    "C14",
    "The boxes that enter a stage cover the objects better than those that entered the one before.",
    "Table 8",
    (
        Check(
            "recall (AR1k) rises from stage 1 to stage 2",
            *(_recall(2), _recall(1), NOTHING, "above", "any rise counts", "AR"),
            paper=11.6,
        ),
        Check(
            "recall (AR1k) rises from stage 2 to stage 3",
            *(_recall(3), _recall(2), NOTHING, "above", "any rise counts", "AR"),
        ),
    ),
)

C15 = Claim(
    "C15",
    "Every strategy for the mask head beats Mask R-CNN, and (d) is no better than (c).",
    "Table 9",
    (
        *(
            helps(
                f"strategy ({letter}) beats Mask R-CNN",
                ap(f"mask_{letter}", "final/segm"),
                ap("mask", "final/segm"),
                paper=paper,
            )
            for letter, paper in (("b", None), ("c", 1.5), ("d", 1.6))
        ),
        Check(
            "(d) and (c) are less than 1 mask AP apart",
            *(ap("mask_d", "final/segm"), ap("mask_c", "final/segm"), LITTLE, "within"),
            f"{MUCH_OR_LITTLE}; the gain over Mask R-CNN is 1.5",
            paper=0.1,
        ),
    ),
)

STAGE_CLAIMS = (C3, C4, C7, C10, C11, C12, C14, C15)
