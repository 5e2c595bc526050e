"""Instrument 7: one detector on other proposals, without training again (paper, Figure 7).

Record it on each set of proposals first: `record_stages(detector, loader, proposals=...)` takes the
sets that `proposal_sets.py` makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cascadekit.errors import InputError
from cascadekit.evaluation.bootstrap import COLUMNS, LEVEL, ROUNDS, Comparison
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.ap_curves import (
    SHOWN,
    ApCurves,
    compute_ap_curves,
    gain_cells,
    plot_ap_curves,
    verdict,
)
from cascadekit.quality.records import Recording
from cascadekit.quality.tables import Table, number
from cascadekit.structures.boxes import iou

REACHES = (50, 70, 90)  # IoU in percent


@dataclass(frozen=True)
class ProposalSupply:
    """What a set of proposals offers the detector; no matter of its heads.

    Attributes:
        per_image: mean number of boxes; nan without images.
        best_iou: mean over the objects of the IoU of their best box; nan without objects.
        reach: share of the objects with a box of IoU .5, .7 and .9 or more, by `REACHES`; nan
            without objects.
    """

    per_image: float
    best_iou: float
    reach: tuple[float, ...]


@dataclass(frozen=True)
class ProposalSwap:
    """One detector on several sets of proposals.

    Attributes:
        curves: AP by IoU threshold, one curve per set; gains are over the first.
        supplies: name of the set -> what it offers.
    """

    curves: ApCurves
    supplies: Mapping[str, ProposalSupply]


def compute_proposal_swap(
    recordings: Sequence[Recording] | Mapping[str, Recording],
    rounds: int = ROUNDS,
    seed: int = 0,
    level: float = LEVEL,
) -> ProposalSwap:
    """Compare what one detector makes of several sets of proposals.

    Args:
        recordings: of one detector on the same images, each from other proposals; the first is
            what the others are compared with, normally its own. A sequence is named by
            `Recording.proposals`. May be empty.
        rounds: draws of images behind the bands; 0: no bands.
        seed: of the draws.
        level: of the bands.

    Returns:
        AP of each and what each set offers.

    Raises:
        InputError: two recordings of one name, or of other classes or images.

    Source: Cai and Vasconcelos, Figure 7: RPN against boxes of a cascade (a), and against RPN and
    the ground truth (b). That the detector is the same one cannot be seen in its recordings.
    """
    named = recordings if isinstance(recordings, Mapping) else _by_name(recordings)
    _check_same(named)
    return ProposalSwap(
        compute_ap_curves(named, None, rounds, seed, level),
        {name: proposal_supply(recording) for name, recording in named.items()},
    )


def _by_name(recordings: Sequence[Recording]) -> dict[str, Recording]:
    named: dict[str, Recording] = {}
    for recording in recordings:
        if recording.proposals in named:
            raise InputError(
                f"two recordings are made from {recording.proposals!r}: give a dict of names to "
                "recordings"
            )
        named[recording.proposals] = recording
    return named


def _check_same(named: Mapping[str, Recording]) -> None:
    """Raise where recordings cannot be of one detector on the same images."""
    first = next(iter(named.items()), None)
    for name, recording in named.items():
        assert first is not None
        if recording.classes != first[1].classes:
            raise InputError(f"{first[0]!r} and {name!r} are recordings of other classes")
        images = [[(i.info.image_id, i.info.path) for i in r.images] for r in (first[1], recording)]
        if images[0] != images[1]:
            raise InputError(
                f"{first[0]!r} ({len(images[0])} images) and {name!r} ({len(images[1])}) are "
                "recordings of other images: record the same ones in the same order"
            )


def proposal_supply(recording: Recording) -> ProposalSupply:
    """How near the boxes that enter stage 1 come to the objects, whatever their scores.

    Args:
        recording: of any detector; no images, boxes or objects is fine.

    Returns:
        Numbers over all objects that count.
    """
    best, counts = [np.zeros(0)], []
    for image in recording.images:
        boxes, objects = image.stages[0].input_boxes, image.truth.counted().boxes
        counts.append(len(boxes))
        if len(boxes) == 0:
            best.append(np.zeros(len(objects)))
        elif len(objects) > 0:
            best.append(iou(objects, boxes).amax(1).double().numpy())
    reached = np.concatenate(best)  # (objects,)
    known = len(reached) > 0
    return ProposalSupply(
        float(np.mean(counts)) if counts else float("nan"),
        float(reached.mean()) if known else float("nan"),
        tuple(float((reached >= p / 100).mean()) if known else float("nan") for p in REACHES),
    )


def plot_proposal_swap(
    result: ProposalSwap, title: str = "One detector on other proposals"
) -> Figure:
    """Figure 7: AP by IoU threshold; the first proposals as a line with its band, others dashed.

    Args:
        result: what to draw.
        title: above the plot.

    Returns:
        The figure; its legend gives each mean AP in percent.
    """
    others = [curve.name for curve in result.curves.curves[1:]]
    return plot_ap_curves(result.curves, title, dashed=others, banded=[result.curves.reference])


def proposal_swap_table(result: ProposalSwap) -> Table:
    """A row per set of proposals: what it offers, AP and AP50 to AP90 in percent, the gain."""
    rows = []
    for curve in result.curves.curves:
        supply = result.supplies[curve.name]
        rows.append(
            (
                curve.name,
                number(supply.per_image, 0),
                number(supply.best_iou, 3),
                percent(supply.reach[-1]),
                *(percent(curve.ap[name]) for name in SHOWN),
                *gain_cells(curve.gain),
                gain_cells(curve.gain, "AP90")[0],
            )
        )
    share = f"{100 * result.curves.level:g} %"
    offered = ("boxes", "best IoU", f"reach {REACHES[-1] / 100:.1f}")
    return Table(
        "AP (%) of one detector on other proposals",
        ("proposals", *offered, *SHOWN, "gain", f"gain, {share}", "gain at AP90"),
        tuple(rows),
        (
            "Boxes: per image. Best IoU: of the best box of each object, mean. "
            f"Reach: share of the objects with a box of IoU {REACHES[-1] / 100:.1f} or more (%).",
            f"Gains are over {result.curves.reference}.",
        )
        if rows
        else (),
    )


def proposal_swap_findings(result: ProposalSwap) -> tuple[str, ...]:
    """What each set of proposals does for the detector, and how much better its boxes are."""
    curves = {curve.name: curve for curve in result.curves.curves}
    found = []
    for name, curve in curves.items():
        if curve.gain is None or not curve.gain.known:
            continue
        own, other = result.supplies[result.curves.reference], result.supplies[name]
        found.append(
            f"From {name} the same detector has {percent(curve.ap['AP'])} AP, from "
            f"{result.curves.reference} {percent(curves[result.curves.reference].ap['AP'])}: "
            f"{verdict(curve.gain)}. The best box of an object has a mean IoU of "
            f"{other.best_iou:.3f} instead of {own.best_iou:.3f}."
        )
        found += _where_most(curve.gain)
    return tuple(found)


def _where_most(gain: Comparison) -> list[str]:
    """The threshold that gains most, where that is sure and twice the gain in AP."""
    i = 1 + int(np.argmax(gain.difference[1:]))
    if gain.signs[i] < 1 or gain.difference[i] < 2 * gain.difference[0]:
        return []
    points = number(100 * gain.difference[i], 1, signed=True)
    return [f"The gain is greatest at {COLUMNS[i]}: {points} points."]
