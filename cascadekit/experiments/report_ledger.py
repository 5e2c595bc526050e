"""`ledger.md`: every claim with its statements, numbers, intervals and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cascadekit.experiments.checks import UNITS, Check, CheckResult
from cascadekit.experiments.ledger import ClaimVerdict, DataVerdict, Ledger, plural, short, where
from cascadekit.experiments.statistics import VERDICTS
from cascadekit.quality.tables import Table

INTRODUCTION = """# Claims ledger

Each claim of the paper as statements on numbers. Margins stand in the code with their reasons, and
its history says when they were written. A statement is judged over seeds: two detectors trained
with the same seed saw the same pictures in the same order, so their difference is taken seed by
seed, and the interval is that of the mean difference (Student's t; each end a one-sided 95 %
bound). It **holds** if the whole interval is on the right side of the margin, **does not hold** if
the whole interval is on the wrong side, and is **not decided at this budget** otherwise, or with
fewer than two seeds. A claim holds if all its statements do, and does not hold if one does not.
"""


def ledger_page(
    ledger: Ledger,
    pages: Mapping[str, Sequence[tuple[str, str]]],
    remarks: Mapping[str, str],
) -> str:
    """The whole page.

    Args:
        ledger: judged.
        pages: claim -> (title, file) of the experiments that bear on it.
        remarks: claim -> what people wrote about its verdict.

    Returns:
        Markdown.
    """
    counts = "; ".join(f"{ledger.count(v)} {plural(v)}" for v in VERDICTS)
    parts = [
        INTRODUCTION,
        f"Of {len(ledger.verdicts)} claims: {counts}.\n",
        "## Reading many verdicts at once\n",
        "\n".join(f"- {note}" for note in ledger.notes()) + "\n",
    ]
    for each in ledger.verdicts:
        name = each.claim.name
        parts.append(_claim(each, pages.get(name, ()), remarks.get(name, "")))
    return "\n".join(parts)


def _claim(each: ClaimVerdict, pages: Sequence[tuple[str, str]], remark: str) -> str:
    claim = each.claim
    parts = [
        f"## {claim.name}\n",
        f"{claim.statement} ({claim.source})\n",
        f"**{each.verdict}**{where(each)}\n",
    ]
    if remark:
        parts.append(f"Remark, written after the results: {remark}\n")
    if claim.note:
        parts.append(f"{claim.note}\n")
    parts += [_data(part, each) for part in each.by_data]
    if not each.by_data:
        parts += ["Needs:\n", "\n".join(f"- {c.what} ({c.needs()})" for c in claim.checks) + "\n"]
    parts.append(_reasons(claim.checks))
    if pages:
        parts.append("Pages: " + ", ".join(f"[{title}]({file})" for title, file in pages) + "\n")
    return "\n".join(parts)


def _data(part: DataVerdict, each: ClaimVerdict) -> str:
    rows = tuple(_row(result) for result in part.checks)
    header = ("statement", "needs", "paper", "ours", "95 % bounds", "seeds", "verdict")
    absent = each.not_planned.get(part.data, ())
    notes = [f"Not planned on {part.data}: {'; '.join(absent)}."] if absent else []
    return Table(f"{part.data}: {part.verdict}", header, rows, tuple(notes)).markdown() + "\n"


def _row(result: CheckResult) -> tuple[str, ...]:
    check, interval = result.check, result.interval
    paper = "" if check.paper is None else in_unit(check.paper, check)
    verdict = short(result.verdict) + (f": {result.note}" if result.note else "")
    if interval is None:
        return check.what, check.needs(), paper, "-", "-", "-", verdict
    bounds = f"{in_unit(interval.low, check)} to {in_unit(interval.high, check)}"
    if not math.isfinite(interval.high):
        bounds = "-"
    seeds = ", ".join(in_unit(value, check) for value in result.by_seed.values())
    ours = in_unit(interval.mean, check)
    return check.what, check.needs(), paper, ours, bounds, seeds, verdict


def in_unit(value: float, check: Check) -> str:
    """A difference as people write it: "+2.1", "x 1.28", "0.032"."""
    digits = UNITS[check.unit][1]
    if check.unit == "x":
        return f"x {value:.{digits}f}"
    # Shares and the like are compared with a margin, not with 0: a sign would mislead.
    value = round(value, digits) + 0.0  # no -0.0
    return f"{value:.{digits}f}" if check.unit == "%" else f"{value:+.{digits}f}"


def _reasons(checks: tuple[Check, ...]) -> str:
    """Margins with their reasons, each once."""
    texts = dict.fromkeys(f"{check.needs()}: {check.reason}" for check in checks)
    return "Margins: " + "; ".join(texts) + ".\n"
