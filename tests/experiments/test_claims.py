"""The claims as they are written: complete, and true of the paper's own numbers."""

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.checks import Check, Formula, Reading
from cascadekit.experiments.claims import CLAIMS, find_claim
from cascadekit.experiments.cost_records import FULL_SIZE
from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.statistics import HOLDS, Interval, decide

CHECKS = [pytest.param(c, id=f"{k.name}: {c.what}") for k in CLAIMS for c in k.checks]
PRINTED = [p for p in CHECKS if p.values[0].paper is not None]


def test_they_are_all_there():
    assert [claim.name for claim in CLAIMS] == [f"C{i}" for i in range(1, 18)]
    assert all(claim.statement.endswith(".") and claim.source for claim in CLAIMS)
    assert len({c.what for k in CLAIMS for c in k.checks}) == len(CHECKS)


@pytest.mark.parametrize("check", PRINTED)
def test_the_papers_own_numbers_pass(check: Check):
    """So that no margin or direction is the wrong way round."""
    if check.unit == "x" and check.direction == "within":
        assert 1 / check.margin < check.paper < check.margin
        return
    exact = Interval(1, check.paper, 0.0, check.paper, check.paper)
    assert decide(exact, check.margin, check.direction) == HOLDS


def test_the_paper_prints_most_of_them():
    assert len(PRINTED) > 35


# What the paper prints, in AP. The claims repeat differences of these, worked out by hand there.
PAPER = {
    **{f"u0{u}: scores final/bbox/AP": ap for u, ap in ((5, 34.9), (6, 35.4), (7, 31.9))},
    "integral: scores final/bbox/AP": 35.4,
    "cascade: scores final/bbox/AP": 38.9,
    "same_iou: scores final/bbox/AP": 36.8,
    "iou_up: scores final/bbox/AP": 38.5,
    "statistics: scores final/bbox/AP": 37.5,
    "cascade: scores 1/bbox/AP": 35.5,
    "cascade: scores 2/bbox/AP": 38.3,
    "cascade: scores 3/bbox/AP": 38.3,
    "cascade: scores 1~2/bbox/AP": 38.5,
    "cascade: scores 1~3/bbox/AP": 38.9,
    "cascade2: scores 1~2/bbox/AP": 38.2,
    "cascade4: scores 1~4/bbox/AP": 38.6,
    **{f"u05: scores final/bbox/AP{t}": ap for t, ap in ((50, 57.0), (60, 51.9), (70, 43.6))},
    **{f"u05: scores final/bbox/AP{t}": ap for t, ap in ((80, 29.7), (90, 7.1))},
    **{f"cascade: scores final/bbox/AP{t}": ap for t, ap in ((50, 57.8), (60, 53.4), (70, 46.9))},
    **{f"cascade: scores final/bbox/AP{t}": ap for t, ap in ((80, 35.8), (90, 15.8))},
    **{f"u0{u}: swap rpn/AP": ap for u, ap in ((5, 34.9), (6, 35.4), (7, 31.9))},
    **{f"u0{u}: swap rpn+gt/AP": ap for u, ap in ((5, 39.4), (6, 45.7), (7, 49.5))},
    "u06: swap cascade2/AP": 36.7,
    "u07: swap cascade3/AP": 35.2,
    **{
        f"cascade: matrix stage{s}/head{h}/AP": ap
        for h, row in ((1, (35.5, 36.5, 36.8)), (2, (35.2, 38.3, 38.4)), (3, (25.6, 35.5, 38.3)))
        for s, ap in enumerate(row, 1)
    },
    "cascade: recall stage1/AR1000": 59.1,
    "cascade: recall stage2/AR1000": 70.7,
    **{f"cascade: samples stage1/share{t}": s for t, s in ((50, 16.7), (70, 2.9))},
    **{f"cascade: samples stage{k}/share_u": s for k, s in ((1, 16.7), (2, 21.7), (3, 21.7))},
    "cascade: samples stage1/std": (0.1234, 0.1297, 0.2272, 0.2255),
    "cascade: samples stage2/std": (0.0606, 0.0613, 0.1221, 0.1230),
    "cascade: samples stage3/std": (0.0391, 0.0376, 0.0798, 0.0773),
    "mask: scores final/segm/AP": 33.9,
    "mask_c: scores final/segm/AP": 35.4,
    "mask_d: scores final/segm/AP": 35.5,
}


def in_paper(side):
    if isinstance(side, Reading):
        return PAPER.get(str(side))
    if isinstance(side, Formula):
        arguments = [PAPER.get(str(reading)) for reading in side.readings]
        return None if None in arguments else side.function(*arguments)
    return side


def test_the_printed_differences_are_the_papers():
    """Left minus right of the paper's tables and figures, wherever both are printed."""
    compared = 0
    for claim in CLAIMS:
        for check in claim.checks:
            left, right = in_paper(check.left), in_paper(check.right)
            if left is None or right is None or claim.name == "C13":
                continue
            value = left / right if check.unit == "x" else left - right
            assert check.paper == pytest.approx(value, abs=0.001 if check.unit == "x" else 1e-6), (
                check.what
            )
            compared += 1
    assert compared >= 38


def test_readings_are_of_arms_that_exist():
    arms = load_arms()
    for claim in CLAIMS:
        for check in claim.checks:
            if FULL_SIZE not in check.data:
                assert set(check.arms()) <= set(arms)


def test_what_claims_read_is_measured_for_an_experiment():
    """A statement whose numbers no experiment asks for could never be decided."""
    measured = {
        (arm, measure)
        for experiment in load_experiments().values()
        for arm, measures in experiment.measures().items()
        for measure in measures
    }
    for claim in CLAIMS:
        for check in claim.checks:
            if FULL_SIZE not in check.data:
                assert {(r.arm, r.measure) for r in check.readings()} <= measured


def test_the_claim_on_benchmarks_is_about_their_own_data():
    """Each statement is of the arms of one drawn set, and by that benchmark's score."""
    for check in find_claim("C17").checks:
        (data,) = check.data
        name = data.removeprefix("drawn-")
        assert set(check.arms()) == {f"mscnn_{name}", f"mscnn_{name}_cascade"}
        assert {r.measure for r in check.readings()} == {"benchmark"}
        assert (check.margin, check.direction) == (0.0, "above")


def test_experiments_name_claims_that_exist():
    named = {name for experiment in load_experiments().values() for name in experiment.claims}
    assert named == {claim.name for claim in CLAIMS}


def test_find_claim():
    assert find_claim("C4").name == "C4"
    with pytest.raises(InputError, match="claim must be one of"):
        find_claim("C18")
