"""The claims ledger: every claim judged on every data set, and overall."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cascadekit.experiments.checks import Check, CheckResult, Claim, ResultSource, evaluate
from cascadekit.experiments.cost_records import FULL_SIZE
from cascadekit.experiments.statistics import CONFIDENCE, FAILS, HOLDS, OPEN, all_of
from cascadekit.quality.tables import as_json

Plan = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class DataVerdict:
    """A claim on one data set.

    Attributes:
        data: name.
        checks: what became of each of its statements.
        verdict: that of all of them together.
    """

    data: str
    checks: tuple[CheckResult, ...]
    verdict: str


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim on all data sets.

    Attributes:
        claim: the claim.
        by_data: data sets with a number for at least one of its statements.
        not_planned: data set -> statements whose arms are not trained there.
        verdict: holds if it does on every data set, does not hold if it does not on one, else not
            decided.
    """

    claim: Claim
    by_data: tuple[DataVerdict, ...]
    not_planned: Mapping[str, tuple[str, ...]]
    verdict: str

    def summary(self) -> str:
        """The verdict with the data sets, where they do not all say the same."""
        if not self.by_data:
            return f"{OPEN} (not run)"
        if len({part.verdict for part in self.by_data}) == 1:
            return f"{self.verdict} ({', '.join(part.data for part in self.by_data)})"
        parts = "; ".join(f"{part.data}: {short(part.verdict)}" for part in self.by_data)
        return f"{self.verdict} ({parts})"


@dataclass(frozen=True)
class Ledger:
    """All claims.

    Attributes:
        verdicts: one per claim.
    """

    verdicts: tuple[ClaimVerdict, ...]

    def count(self, verdict: str) -> int:
        """How many claims have a verdict."""
        return sum(each.verdict == verdict for each in self.verdicts)

    def decided(self) -> int:
        """How many statements were decided over seeds, on all data sets together."""
        return sum(
            result.verdict != OPEN and result.check.error is None
            for each in self.verdicts
            for part in each.by_data
            for result in part.checks
        )

    def notes(self) -> tuple[str, ...]:
        """What to know when reading all these verdicts together."""
        share = 1 - CONFIDENCE
        return (
            f"{self.decided()} statements were decided by intervals over seeds. No level was "
            f"adjusted for their number: if every one of them sat exactly on its margin, about "
            f"{share * self.decided():.1f} would be called true, and as many false, by chance.",
            'A claim "holds" only if all its statements do, which joining does not make easier. It '
            '"does not hold" as soon as one of its statements does not: with k statements on d '
            f"data sets the chance of a wrong one is up to k x d x {share:.0%}. Look at the "
            "statement that failed, and by how much.",
            "An interval says how another training of the same detector on the same pictures may "
            "differ (start, order of the data). It does not say how another val set would: that "
            "error is the same in all seeds, and on a small val set it can be the larger one.",
            "With three seeds the t distribution has two degrees of freedom: an interval reaches "
            "1.7 standard deviations to either side of the mean, and assumes that differences are "
            "spread normally, which three numbers cannot show.",
        )


def judge(
    claims: Sequence[Claim],
    results: ResultSource,
    data: Sequence[str],
    plan: Plan | None = None,
) -> Ledger:
    """Judge claims on results of one budget.

    Args:
        claims: in the order of the ledger.
        results: to read from.
        data: names of the data sets; `FULL_SIZE` is one where costs are known.
        plan: arm -> the data sets that it is trained on by plan. A statement on another data set
            is left out there, and named. None: all on all.

    Returns:
        The ledger. A claim without any number on a data set is not judged there.
    """
    return Ledger(tuple(_judge_claim(claim, results, data, plan) for claim in claims))


def _judge_claim(
    claim: Claim, results: ResultSource, data: Sequence[str], plan: Plan | None
) -> ClaimVerdict:
    parts, left_out = [], {}
    for name in data:
        meant = [check for check in claim.checks if _is_about(check, name)]
        checks = [check for check in meant if _planned(check, name, plan)]
        judged = tuple(evaluate(check, results, name) for check in checks)
        if not any(result.by_seed for result in judged):
            continue
        parts.append(DataVerdict(name, judged, all_of(result.verdict for result in judged)))
        absent = tuple(check.what for check in meant if check not in checks)
        if absent:
            left_out[name] = absent
    verdict = all_of(part.verdict for part in parts)
    return ClaimVerdict(claim, tuple(parts), left_out, verdict)


def _is_about(check: Check, data: str) -> bool:
    """Full size is for those that ask for it."""
    return data in check.data if check.data else data != FULL_SIZE


def _planned(check: Check, data: str, plan: Plan | None) -> bool:
    if plan is None or data == FULL_SIZE:
        return True
    return all(data in plan.get(arm, ()) for arm in check.arms())


def short(verdict: str) -> str:
    """A verdict for the cell of a table."""
    return {HOLDS: "holds", FAILS: "does not hold", OPEN: "not decided"}[verdict]


def plural(verdict: str) -> str:
    """A verdict of several claims: "3 hold"."""
    return {HOLDS: "hold", FAILS: "do not hold", OPEN: "are not decided at this budget"}[verdict]


def where(each: ClaimVerdict) -> str:
    """The data sets to write after a verdict, in brackets, with a space before."""
    return f" {each.summary().removeprefix(each.verdict).strip()}"


def ledger_json(ledger: Ledger) -> list[dict[str, Any]]:
    """The ledger as plain values for json, numbers in the unit of each statement."""
    return [
        {
            "claim": each.claim.name,
            "statement": each.claim.statement,
            "source": each.claim.source,
            "verdict": each.verdict,
            "data": [
                {
                    "name": part.data,
                    "verdict": part.verdict,
                    "checks": [_check_json(result) for result in part.checks],
                }
                for part in each.by_data
            ],
        }
        for each in ledger.verdicts
    ]


def _check_json(result: CheckResult) -> dict[str, Any]:
    check = result.check
    return as_json(
        {
            "what": check.what,
            "left": str(check.left),
            "right": str(check.right),
            "unit": check.unit,
            "needs": check.needs(),
            "reason": check.reason,
            "paper": check.paper,
            "by_seed": dict(result.by_seed),
            "interval": result.interval,
            "verdict": result.verdict,
            "note": result.note,
        }
    )
