"""What the claims are made of: margins with their reasons, and readings that come again.

Margins were written down before anything of the suite was measured, from what the paper prints and
from a rough trial of another model, and are not to be moved afterwards (docs/experiments.md tells
what was known when). Three of them come again and again:

    NOTHING  0 AP: where the paper says that something helps, any gain counts; the interval over
             seeds keeps noise from passing for one.
    LITTLE   1 AP: "much" is more; "little" and "the same" are less. The paper calls 2.8 AP a lot
             (stage 2) and 0.5 AP no gain (integral loss), and in the trial two heads that differed
             in their seed alone were up to 1.5 AP apart on photos.
    A_BIT    half an AP: the paper calls 0.7 AP (a third stage) something, so "none" is less.
"""

from __future__ import annotations

from cascadekit.experiments.checks import Check, Formula, Quantity, Reading

NOTHING, LITTLE, A_BIT = 0.0, 1.0, 0.5
ANY_GAIN = "any gain counts"
MUCH_OR_LITTLE = "1 AP divides much from little"
BOXES, MASKS = "final/bbox", "final/segm"


def ap(arm: str, path: str = BOXES, column: str = "AP", measure: str = "scores") -> Reading:
    """An AP of an arm: of the boxes of its final answer, unless said otherwise."""
    return Reading(arm, measure, f"{path}/{column}")


def difference(text: str, first: Reading, second: Reading) -> Formula:
    """First minus second."""
    return Formula(text, lambda a, b: a - b, (first, second))


def helps(what: str, left: Quantity, right: Quantity, paper: float | None = None) -> Check:
    """The left has more AP than the right, by whatever little."""
    return Check(what, left, right, NOTHING, "above", ANY_GAIN, paper=paper)


def much(what: str, left: Quantity, right: Quantity, paper: float | None = None) -> Check:
    """The left has a lot more AP than the right."""
    return Check(what, left, right, LITTLE, "above", MUCH_OR_LITTLE, paper=paper)


def same(what: str, left: Quantity, right: Quantity, paper: float | None = None) -> Check:
    """Neither has a lot more AP than the other."""
    return Check(what, left, right, LITTLE, "within", MUCH_OR_LITTLE, paper=paper)
