"""Plain sentences on what the stages mend and break, and why a cascade did or did not help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.error_types import CORRECT, KINDS
from cascadekit.quality.object_flow import (
    LOOSE,
    MISSED,
    PROPOSALS,
    REASONS,
    SCORE,
    TIGHT,
    Transition,
    column_label,
)

if TYPE_CHECKING:
    from cascadekit.quality.stage_errors import ErrorCounts, StageErrors

WORTH = 0.005  # AP; a gain below half a point is not worth a sentence
HELPED = 0.01  # AP; two trainings that differ in their seed differ by about a point
CHANCE = 0.05
SAME = 1e-4  # IoU; boxes that differ by less are the same one, rounded
FEW_LOOSE = 0.1  # of all objects
PLURAL = {
    "correct": "correct",
    "localisation": "loose",
    "classification": "of the wrong class",
    "both": "loose and of the wrong class",
    "duplicate": "duplicates",
    "background": "on background",
}
BLAME = {
    "localisation": "loose boxes",
    "classification": "wrong classes",
    "both": "boxes that are loose and of the wrong class",
    "duplicate": "duplicates",
    "background": "detections on background",
    "missed": "missed objects",
}


def stage_errors_findings(result: StageErrors) -> tuple[str, ...]:
    """What is wrong at the end, what it costs, what each stage changed, and whether it helped."""
    if not result.num_objects:
        return ()
    low, high = result.flow.thresholds
    found = [_overview(result, result.at(result.final, low))]
    found += _verdict(result)
    found += _costs(result.at(result.final, low)) + _costs(result.at(result.final, high))
    for step in result.flow.transitions:
        if step.before != PROPOSALS:
            found += _step(result, step)
    return (*found, *_missed(result))


def _overview(result: StageErrors, counts: ErrorCounts) -> str:
    """What the detector shows at the lower IoU."""
    total = sum(counts.shown[kind] for kind in KINDS)
    wrong = sorted(KINDS[CORRECT + 1 :], key=lambda kind: -counts.shown[kind])
    parts = [f"{counts.shown[kind]} {PLURAL[kind]}" for kind in wrong if counts.shown[kind]]
    text = (
        f"At IoU {counts.threshold:g} the detector finds {counts.found} of {result.num_objects} "
        f"objects with a score of {result.score_threshold:g} or more"
    )
    if not total:
        return f"{text}; it shows no detection at all."
    return (
        f"{text}; of its {total} detections {', '.join([f'{counts.found} are correct', *parts])}."
    )


def _costs(counts: ErrorCounts) -> list[str]:
    """The kind of error that costs most AP."""
    known = {fix: gain for fix, gain in counts.gains.items() if not math.isnan(gain)}
    if not known or max(known.values()) < WORTH:
        return []
    worst = max(known, key=lambda fix: known[fix])
    return [
        f"At IoU {counts.threshold:g} {BLAME[worst]} cost most: mended, AP would be "
        f"{percent(counts.ap + known[worst])} instead of {percent(counts.ap)}."
    ]


def _step(result: StageErrors, step: Transition) -> list[str]:
    """What one stage did to the objects, beside the stage before."""
    name = column_label(step.after)
    if "~" in step.after:
        name = f"averaging {name}, beside {column_label(step.before)} alone,"
    if not step.up and not step.down:
        return [f"{_capital(name)} changes none of the {result.num_objects} objects."]
    text = (
        f"{_capital(name)} tightens {step.count('tightened')} of {result.num_objects} objects and "
        f"finds {step.count('found')} more; it loosens {step.count('loosened')} and loses "
        f"{step.count('lost')}"
    )
    k = result.flow.columns.index(step.after)
    gone = (result.flow.levels[k - 1] > MISSED) & (result.flow.levels[k] == MISSED)
    by_score = int((result.flow.reasons[k][gone] == SCORE).sum())
    if by_score:
        text += f" ({by_score} of these only because the score falls below the threshold)"
    if may_be_chance(step.up, step.down):
        text += "; so few more one way than the other that it may be chance"
    return [f"{text}."]


def _missed(result: StageErrors) -> list[str]:
    """Why the objects that the end misses are missed."""
    why = result.flow.missed_because(result.final)
    total = sum(why.values())
    if not total:
        return []
    low = result.flow.thresholds[0]
    texts = {
        "score": "{} found, but with a score below the threshold",
        "proposals": "{} without a proposal of IoU " + f"{low:g} or more to start from",
        "class": "{} with a box, but of the wrong class",
        "box": "{} with a box that is too loose",
        "lost": "{} that proposals reach, with nothing near them at the end",
    }
    order = sorted(REASONS, key=lambda reason: -why[reason])
    parts = [texts[reason].format(why[reason]) for reason in order if why[reason]]
    return [
        f"{total} of {result.num_objects} objects are missed at the end (IoU {low:g}): "
        f"{', '.join(parts)}."
    ]


def _verdict(result: StageErrors) -> list[str]:
    """Whether later stages helped, how, and the reasons where they did not."""
    high = result.flow.thresholds[1]
    if len(result.choices) < 2 or result.shared_rois:
        return []
    start = result.choices[0]
    first, last = result.at(start, high), result.at(result.final, high)
    before = result.flow.levels[1]
    after = result.flow.levels[result.flow.columns.index(result.final)]
    up, down = int((after > before).sum()), int((after < before).sum())
    rise = result.ap[result.final] - result.ap[start]
    change = (
        f"AP goes from {percent(result.ap[start])} (stage 1) to "
        f"{percent(result.ap[result.final])}, at IoU {high:g} from {percent(first.ap)} to "
        f"{percent(last.ap)}"
    )
    moves = _moves(result, before, after)
    if rise >= HELPED:
        return [f"The later stages help: {change}.", moves, *_savings(first, last)]
    word = "hurt" if rise <= -HELPED else "do not help"
    worse = [f"{down} objects get worse beside {up} that get better"] if 2 * down >= up > 0 else []
    reasons = worse if word == "hurt" else [*worse, *_reasons(result, before, after)]
    why = f" The likely reason: {'; '.join(reasons)}." if reasons else ""
    return [f"The later stages {word} here: {change}.{why}", moves]


def _moves(result: StageErrors, before: np.ndarray, after: np.ndarray) -> str:
    """What became of the objects from stage 1 to the end."""
    up, down = int((after > before).sum()), int((after < before).sum())
    text = (
        f"From stage 1 to the end {up} of {result.num_objects} objects are found or tightened, "
        f"{down} lost or loosened"
    )
    if up + down and may_be_chance(up, down):
        text += ", which may be chance"
    both = (before > MISSED) & (after > MISSED)
    if not both.any():
        return f"{text}."
    ends = [result.flow.ious[k][both] for k in (1, result.flow.columns.index(result.final))]
    change = ends[1] - ends[0]
    tighter, looser = int((change > SAME).sum()), int((change < -SAME).sum())
    return (
        f"{text}; of the {both.sum()} found at both ends {tighter} get a tighter box and {looser} "
        f"a looser one, {ends[0].mean():.3f} and {ends[1].mean():.3f} mean IoU."
    )


def _savings(first: ErrorCounts, last: ErrorCounts) -> list[str]:
    """Which kinds of error cost less at the end than at stage 1."""
    saved = {
        fix: first.gains[fix] - gain
        for fix, gain in last.gains.items()
        if first.gains[fix] - gain >= WORTH
    }
    parts = [
        f"{BLAME[fix]} ({number_of_points(first.gains[fix])} before, "
        f"{number_of_points(last.gains[fix])} now)"
        for fix in sorted(saved, key=lambda fix: -saved[fix])
    ]
    if not parts:
        return []
    return [f"What costs less AP at IoU {last.threshold:g} than at stage 1: {', '.join(parts)}."]


def _reasons(result: StageErrors, before: np.ndarray, after: np.ndarray) -> list[str]:
    """What kept later stages from helping; every reason that the numbers support."""
    reasons = []
    loose, total = before == LOOSE, result.num_objects
    tight = int((before == TIGHT).sum())
    missed = int((after == MISSED).sum())
    unproposed = result.flow.missed_because(result.final)["proposals"]
    if tight >= (1 - FEW_LOOSE) * total:
        reasons.append(f"{tight} of {total} objects are tight after stage 1 already")
    elif loose.sum() < FEW_LOOSE * total:
        reasons.append(f"only {loose.sum()} of {total} objects are loose after stage 1")
    elif 2 * (stay := int((loose & (after == LOOSE)).sum())) >= loose.sum():
        reasons.append(f"of {loose.sum()} loose objects {stay} stay loose")
    if unproposed and 2 * unproposed >= missed and missed >= FEW_LOOSE * total:
        reasons.append(f"{unproposed} objects are missed already by the proposals")
    gains = result.at(result.final, result.flow.thresholds[1]).gains
    known = {fix: gain for fix, gain in gains.items() if not math.isnan(gain)}
    worst = max(known, key=lambda fix: known[fix], default="localisation")
    if worst != "localisation" and known[worst] >= WORTH:
        reasons.append(
            f"{BLAME[worst]} cost more there ({number_of_points(known[worst])}) than loose boxes "
            f"({number_of_points(known.get('localisation', 0.0))}), and tighter boxes do not "
            "mend them"
        )
    return reasons


def number_of_points(gain: float) -> str:
    """A difference of AP as "5.2 points"."""
    return f"{100 * gain:.1f} points"


def may_be_chance(up: int, down: int) -> bool:
    """Two-sided sign test: whether so uneven a split of up and down comes by chance."""
    n, k = up + down, min(up, down)
    term = tail = 1  # n over i, and the sum of these
    for i in range(k):
        term = term * (n - i) // (i + 1)
        tail += term
    return 2 * tail * 100 >= round(100 * CHANCE) * 2**n


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
