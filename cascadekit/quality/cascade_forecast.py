"""Can a cascade help? A forecast from a one-stage detector, with its reasons and its doubts.

A cascade makes boxes tighter: AP at high IoU thresholds rises, AP50 hardly changes (57.0 to 57.8 in
the paper's Table 1). So it can help where (1) objects are found but boxed loosely, (2) the boxes'
errors are of the kind that better starting boxes mend, and (3) labels are exact enough that
tightness is rewarded. All three can be seen before a cascade is trained:

1. headroom: AP50 minus AP, which is what AP could gain if every box found were tight;
2. scatter: boxes of one object that differ by where they started. Moving each to its object's mean
   box says what AP that costs (`object_consensus.py`);
3. looseness: how far the mean boxes lie from the labels, beyond what the scatter accounts for, as
   a share of the whole error (`label_looseness.py`).

The verdict is "help" if 1 and 2 leave something to gain and 3 does not stand in the way, "labels"
if 3 does, "little" if there is nothing to gain, and "unclear" if a band crosses its limit or there
are too few objects. AP with the ground truth among the proposals is reported but has no vote: it
is low wherever the regressor was trained at 0.5, with exact labels (drawn shapes) as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.evaluation.coco_ap import CocoScores
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.forecast_evidence import (
    AGAINST,
    FOR,
    LOOSE,
    NO_VOTE,
    Evidence,
    Seen,
    evidence_of,
    has_regressor,
)
from cascadekit.quality.label_looseness import Looseness, compute_looseness
from cascadekit.quality.object_consensus import compute_consensus, score, toward_consensus
from cascadekit.quality.proposal_quality import ProposalQuality
from cascadekit.quality.records import Recording
from cascadekit.quality.tables import Table
from cascadekit.visualization.canvas import INK, QUIET, points
from cascadekit.visualization.plots import LINE_COLORS, add_legend, new_plots

HELP, LABELS, LITTLE, UNCLEAR = "help", "labels", "little", "unclear"
HEADLINES = {
    HELP: "a cascade can help: boxes are loose, and better starting boxes would tighten them",
    LABELS: "a cascade will hardly help: labels are too loose to reward tight boxes",
    LITTLE: "a cascade can gain little: the boxes are tight already",
    UNCLEAR: "cannot tell whether a cascade helps",
}


@dataclass(frozen=True)
class CascadeForecast:
    """Whether a cascade can help, and why.

    Attributes:
        verdict: "help", "labels", "little" or "unclear".
        confidence: "fair" where held-out and trained-on images agree, "low" otherwise.
        evidence: what it rests on.
        scores: AP, AP50, AP75, AP90 of the detector; nan without objects.
        gathered: the same, with every box moved to its object's mean box.
        with_truth: the same, with ground truth among the proposals; None: not recorded.
        held_out: looseness on the recording's images.
        trained_on: looseness on images that the detector was trained on; None: not recorded.
        agreement: middle IoU of an object's boxes with their mean box.
        consensus: middle IoU of that mean box with the label.
    """

    verdict: str
    confidence: str
    evidence: tuple[Evidence, ...]
    scores: dict[str, float]
    gathered: dict[str, float]
    with_truth: dict[str, float] | None
    held_out: Looseness
    trained_on: Looseness | None
    agreement: float
    consensus: float

    @property
    def headline(self) -> str:
        """The verdict in a clause."""
        return f"{HEADLINES[self.verdict]} (confidence: {self.confidence})"


def compute_cascade_forecast(
    recording: Recording,
    *,
    trained_on: Recording | None = None,
    with_truth: Recording | None = None,
    quality: ProposalQuality | None = None,
) -> CascadeForecast:
    """Forecast from a one-stage detector whether a cascade can help.

    Args:
        recording: on images that the detector was not trained on, with its own proposals. May
            have no images or objects, or no regressor (proposals alone): then nothing can be told.
            Of a cascade only the first stage is looked at.
        trained_on: on images that it was trained on: a model's blindness to new pictures is none
            there, but loose labels stay loose.
        with_truth: as `recording`, with ground truth among the proposals; told, without a vote.
        quality: the report on the same detector, for the positives of later stages.

    Returns:
        Verdict, confidence and evidence.
    """
    usable = has_regressor(recording)
    scores = _first_stage(recording)
    consensus = compute_consensus(recording if usable else replace(recording, images=()))
    seen = Seen(
        recording=recording,
        scores=scores,
        gathered=score(toward_consensus(recording)) if usable else scores,
        consensus=consensus,
        held_out=compute_looseness(consensus),
        trained_on=None if trained_on is None else _learned(trained_on),
        with_truth=None if with_truth is None else _first_stage(with_truth),
        quality=quality,
    )
    evidence = tuple(evidence_of(seen))
    verdict = _verdict({e.name: e.vote for e in evidence})
    agreed = seen.trained_on is not None and verdict != UNCLEAR
    return CascadeForecast(
        verdict=verdict,
        confidence="fair" if agreed else "low",
        evidence=evidence,
        scores=_numbers(scores),
        gathered=_numbers(seen.gathered),
        with_truth=None if seen.with_truth is None else _numbers(seen.with_truth),
        held_out=seen.held_out,
        trained_on=seen.trained_on,
        agreement=_middle(consensus.agreement),
        consensus=_middle(consensus.consensus),
    )


def _first_stage(recording: Recording) -> CocoScores:
    """Scores of the first stage alone, chosen anew so that they compare with moved boxes."""
    return score(toward_consensus(recording, 0.0) if has_regressor(recording) else recording)


def _learned(trained_on: Recording) -> Looseness:
    return compute_looseness(compute_consensus(trained_on), trained_on=True)


def _verdict(votes: dict[str, str]) -> str:
    """What the votes add up to; every one of them can leave it open."""
    if votes["enough to go by"] != FOR:
        return UNCLEAR
    if votes["headroom"] == AGAINST:
        return LITTLE
    if votes["labels"] == AGAINST:
        return LABELS
    rest = [votes[name] for name in ("scatter", "labels", "regressor", "positives", "sizes")]
    return HELP if all(vote in (FOR, NO_VOTE) for vote in rest) else UNCLEAR


def _numbers(scores: CocoScores) -> dict[str, float]:
    return {name: scores.as_dict()[name] for name in ("AP", "AP50", "AP75", "AP90")}


def _middle(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else math.nan


def plot_cascade_forecast(result: CascadeForecast) -> Figure:
    """What boxes' errors are made of, and what AP would be without the scatter.

    Bars of squared error: scatter, bias that exact labels have as well, and what is laid to the
    labels, with its band and its limit.
    """
    titles = ["Squared error of a box", "AP without scatter"]
    figure, (errors, scores) = new_plots(titles, size=(420, 340), columns=2)
    known = {"new images": result.held_out, "images\ntrained on": result.trained_on}
    drawn = {name: loose for name, loose in known.items() if loose and loose.num_objects}
    for place, loose in enumerate(drawn.values()):
        _draw_parts(errors, place, loose)
    errors.axhline(100 * LOOSE, color=INK, linewidth=points(1.5), linestyle=(0, (4, 3)))
    errors.lines[-1].set_label("limit for the labels")
    errors.set(xticks=range(len(drawn)), xlim=(-0.6, max(len(drawn), 1) - 0.4), ylim=(0, 135))
    errors.set_yticks(range(0, 101, 20))  # above is the legend
    errors.set_xticklabels(list(drawn))
    errors.set_ylabel("share of the squared error (%)", fontsize=points(13), color=INK)
    handles = dict(zip(*reversed(errors.get_legend_handles_labels()), strict=True))
    letters = {"fontsize": points(12), "frameon": False, "ncols": 2}
    errors.legend(handles.values(), handles.keys(), loc="upper center", **letters)
    for side, numbers in ((-0.2, result.scores), (0.2, result.gathered)):
        places = np.arange(len(numbers)) + side
        name, color = ("as it is", QUIET) if side < 0 else ("boxes at their mean", LINE_COLORS[0])
        scores.bar(places, [100 * v for v in numbers.values()], 0.4, color=color, label=name)
    scores.set(xticks=range(len(result.scores)), ylim=(0, 120), yticks=range(0, 101, 20))
    scores.set_xticklabels(list(result.scores))
    add_legend(scores, "upper right")
    return figure


def _draw_parts(axis: Axes, place: int, loose: Looseness) -> None:
    """One stacked bar: labels below, so that its top can be held against the limit."""
    whole = max(loose.bias**2 + loose.scatter**2, 1e-12)
    labels, scatter = 100 * loose.share, 100 * loose.scatter**2 / whole
    parts = {
        "laid to the labels": (labels, LINE_COLORS[1]),
        "other bias": (max(100 - labels - scatter, 0.0), LINE_COLORS[5]),
        "scatter": (scatter, LINE_COLORS[0]),
    }
    bottom = 0.0
    for name, (height, color) in parts.items():
        axis.bar(place, height, 0.5, bottom, color=color, label=name)
        bottom += height
    reach = [[labels - 100 * loose.low], [100 * loose.high - labels]]
    axis.errorbar([place], [labels], np.maximum(reach, 0), color=INK, capsize=points(5))


def cascade_forecast_table(result: CascadeForecast) -> Table:
    """AP as it is, with the scatter taken out, and with ground truth among the proposals."""
    named = {"as it is": result.scores, "boxes at their object's mean": result.gathered}
    if result.with_truth is not None:
        named["ground truth among the proposals"] = result.with_truth
    rows = tuple((name, *map(percent, numbers.values())) for name, numbers in named.items())
    notes = tuple(f"{e.name} ({e.vote}): {e.text}" for e in result.evidence)
    return Table("Can a cascade help?", ("", *result.scores), rows, notes)


def cascade_forecast_findings(result: CascadeForecast) -> tuple[str, ...]:
    """The verdict, and the evidence that made it; all of it where it is open."""
    headline = result.headline[0].upper() + result.headline[1:] + "."
    deciding = {
        HELP: ("headroom", "scatter", "labels"),
        LABELS: ("headroom", "labels"),
        LITTLE: ("headroom",),
    }.get(result.verdict)
    if deciding is None:
        return (headline, *(e.text for e in result.evidence if e.vote not in (FOR, NO_VOTE)))
    return (headline, *(e.text for e in result.evidence if e.name in deciding))
