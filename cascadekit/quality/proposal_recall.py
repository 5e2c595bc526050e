"""Instrument 8: how many objects the boxes of each stage cover (paper, Table 8)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from cascadekit.evaluation.coco_ap import SIZES
from cascadekit.evaluation.recall import BoxRecall, box_recall, check_limits
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.image_bootstrap import FEW_IMAGES, band, resampled_means
from cascadekit.quality.records import ImageRecord, Recording
from cascadekit.quality.stage_inputs import first_stages
from cascadekit.quality.tables import Table
from cascadekit.structures.boxes import clip
from cascadekit.visualization.canvas import INK, points
from cascadekit.visualization.plots import add_legend, new_plots, stage_color

LIMITS = (100, 1000)
SINGLE = (50, 60, 70, 80, 90)  # IoU in percent
CURVE = np.linspace(0.5, 1, 51)
# Table 8, R50 FPN on COCO: AR at 1000 boxes. Its other cells are not known to us.
PAPER = {"stage 1": 0.591, "stage 2": 0.707}
OUTPUT = "output"


@dataclass(frozen=True)
class StageRecall:
    """Recall of one set of boxes, fractions in [0, 1]; nan without objects.

    Attributes:
        name: "stage 1" (what enters stage 1), "stage 2", ..., "output" (what leaves the last).
        average: AR by limit and size: "AR100", "AR100_small", ..., "AR1000_large".
        single: IoU in percent -> recall at that IoU, at the largest limit.
        curve: limit -> (51,) recall at the IoUs of the result's `ious`.
        boxes_per_image: mean number of boxes before any limit; nan without images.
    """

    name: str
    average: Mapping[str, float]
    single: Mapping[int, float]
    curve: Mapping[int, np.ndarray]
    boxes_per_image: float


@dataclass(frozen=True)
class ProposalRecall:
    """Recall of the boxes that enter each stage, and of those that leave the last.

    Attributes:
        rows: S + 1 entries in that order; empty without images.
        limits: boxes per image that count, ascending.
        ious: (51,) 0.50, 0.51, ..., 1.00, of the curves.
        gains: limit -> S entries, the change of AR from row to row, as (change, low, high) with a
            95 % band over images; nan where there are fewer than five images with objects.
        num_objects: that count.
        num_images: with or without objects.
        proposals: where stage 1's boxes came from.
    """

    rows: tuple[StageRecall, ...]
    limits: tuple[int, ...]
    ious: np.ndarray
    gains: Mapping[int, tuple[tuple[float, float, float], ...]]
    num_objects: int
    num_images: int
    proposals: str


def compute_proposal_recall(
    recording: Recording,
    limits: Sequence[int] = LIMITS,
    clipped: bool = True,
    seed: int = 0,
) -> ProposalRecall:
    """Average recall of the boxes that enter each stage and of those that leave the last.

    Args:
        recording: of all stages; no images, rois or objects is fine.
        limits: how many of an image's best-ranked boxes count.
        clipped: cut boxes at the picture's border first, as a file of proposals has them.
        seed: of the bands.

    Returns:
        AR by limit and size, recall at single IoUs, and curves.

    Raises:
        InputError: a limit is below 1.

    Source: Table 8, where we take "stage k" for what enters stage k: its 59.1 is a little above
    Detectron's RPN. Boxes that enter are ranked by `input_scores`, those that leave the last stage
    by its own head's best class probability; the authors' ranking is unknown. Nothing is
    suppressed after a stage, so the best-ranked boxes crowd around the easiest objects: AR100 can
    fall where AR1000 rises.
    """
    check_limits(limits)
    counted = [record.truth.counted() for record in recording.images]
    truths, areas = [t.boxes for t in counted], [t.areas for t in counted]
    rows, recalls = [], []
    for name, choose in _choices(recording).items():
        boxes = [choose(record) for record in recording.images]
        if clipped:
            sizes = [record.info.original_size for record in recording.images]
            boxes = [clip(own, *size) for own, size in zip(boxes, sizes, strict=True)]
        recall = box_recall(boxes, truths, areas, limits)
        recalls.append(recall)
        rows.append(_row(name, recall, float(np.mean([len(own) for own in boxes]))))
    known = tuple(sorted(set(limits)))
    return ProposalRecall(
        rows=tuple(rows),
        limits=known,
        ious=CURVE,
        gains={limit: _gains(recalls, limit, seed) for limit in known},
        num_objects=sum(len(own) for own in truths),
        num_images=len(recording.images),
        proposals=recording.proposals,
    )


def _choices(recording: Recording) -> dict[str, Callable[[ImageRecord], Tensor]]:
    """Name of a row -> how to get its boxes (R, 4) of an image, best first."""
    stages = len(first_stages(recording))
    choices = {f"stage {k + 1}": partial(_entering, stage=k) for k in range(stages)}
    return {**choices, OUTPUT: _leaving} if stages else {}


def _entering(record: ImageRecord, stage: int) -> Tensor:
    return _ranked(record.stages[stage].input_boxes, record.stages[stage].input_scores)


def _leaving(record: ImageRecord) -> Tensor:
    last = record.stages[-1]
    return _ranked(last.output_boxes, last.logits_by_head[last.head].softmax(1)[:, :-1].amax(1))


def _ranked(boxes: Tensor, scores: Tensor) -> Tensor:
    return boxes[scores.argsort(descending=True, stable=True)]


def _row(name: str, recall: BoxRecall, boxes_per_image: float) -> StageRecall:
    """What is reported of one set of boxes."""
    most = max(recall.overlaps)
    return StageRecall(
        name=name,
        average=recall.as_dict(),
        single={percents: recall.recall(percents / 100, most) for percents in SINGLE},
        curve={
            limit: np.array([recall.recall(iou, limit) for iou in CURVE])
            for limit in recall.overlaps
        },
        boxes_per_image=boxes_per_image,
    )


def _gains(
    recalls: Sequence[BoxRecall], limit: int, seed: int
) -> tuple[tuple[float, float, float], ...]:
    """AR from row to row: change and its band, from the same draws of images for all rows."""
    if len(recalls) < 2:
        return ()
    images, number = recalls[0].images["all"], recalls[0].num_images
    counts = np.bincount(images, minlength=number)
    sums = np.stack([np.bincount(images, r.passed(limit), number) for r in recalls], 1)  # (I, rows)
    change = np.diff([r.average(limit) for r in recalls])
    low, high = band(np.diff(resampled_means(sums, counts[:, None], seed), axis=1))
    if (counts > 0).sum() < FEW_IMAGES:
        low, high = np.full_like(change, math.nan), np.full_like(change, math.nan)
    return tuple(zip(change.tolist(), low.tolist(), high.tolist(), strict=True))


def plot_proposal_recall(result: ProposalRecall) -> Figure:
    """Recall by IoU, a panel for each limit and a line for each set of boxes."""
    titles = [f"The best {limit} boxes per image" for limit in result.limits]
    figure, axes = new_plots(titles, "IoU", "recall", (440, 380))
    for axis, limit in zip(axes, result.limits, strict=True):
        for k, row in enumerate(result.rows):
            last = row.name == OUTPUT
            average = percent(row.average[f"AR{limit}"])
            axis.plot(
                result.ious,
                row.curve[limit],
                color=INK if last else stage_color(k),
                linestyle="dashed" if last else "solid",
                linewidth=points(2.5),
                label=f"{'leave the last' if last else f'enter {row.name}'}: AR {average}",
            )
        axis.set_xlim(0.5, 1)
        axis.set_ylim(0, 1)
        if result.rows:
            add_legend(axis, "lower left")
    return figure


def proposal_recall_table(result: ProposalRecall, paper: bool = False) -> Table:
    """Table 8: AR by limit and size, and recall at single IoUs.

    Args:
        result: of `compute_proposal_recall`.
        paper: append what we know of the paper's table (AR at 1000 boxes), in rows that say so;
            nothing where 1000 is not among the limits.

    Returns:
        Percent; a row for the boxes that enter each stage and one for those that leave the last.
    """
    names = {
        f"AR{limit}{long}": f"AR{limit}{short}"
        for limit in result.limits
        for long, short in (("", ""), *((f"_{size}", f" {size[0]}") for size in SIZES))
    }
    rows = [
        (
            row.name,
            *(percent(row.average[name]) for name in names),
            *(percent(row.single[iou]) for iou in SINGLE),
        )
        for row in result.rows
    ]
    notes = [
        f"Stage k: the boxes that enter it; output: those that leave the last. "
        f"{result.num_objects} objects in {result.num_images} images; s, m, l: small, medium, "
        f"large. R50 and so on: recall at that IoU, {max(result.limits)} boxes. Stage 1's boxes: "
        f"{result.proposals}.",
        *_few_boxes(result),
    ]
    if paper and "AR1000" in names:
        rows += [
            (f"paper, {name}", *(percent(known) if column == "AR1000" else "-" for column in names))
            + ("-",) * len(SINGLE)
            for name, known in PAPER.items()
        ]
        notes.append("Paper: Table 8, FPN with ResNet-50 on COCO.")
    header = ("", *names.values(), *(f"R{iou}" for iou in SINGLE))
    return Table("Recall of boxes by stage (%)", header, tuple(rows), tuple(notes))


def _few_boxes(result: ProposalRecall) -> list[str]:
    """Where there are fewer boxes than the limit allows, AR1000 is not the paper's."""
    most = max((row.boxes_per_image for row in result.rows), default=math.nan)
    if not most < max(result.limits):
        return []
    return [f"An image has {most:.0f} boxes on average, fewer than {max(result.limits)}."]


def proposal_recall_findings(result: ProposalRecall) -> tuple[str, ...]:
    """Where recall rises or falls from stage to stage, and for which sizes."""
    found = []
    for limit in result.limits:
        for k, (_, low, high) in enumerate(result.gains[limit]):
            if math.isnan(low) or low <= 0 <= high:
                continue
            before, after = (row.average[f"AR{limit}"] for row in result.rows[k : k + 2])
            found.append(
                f"AR{limit} {'rises' if low > 0 else 'falls'} from {percent(before)} % with the "
                f"boxes that enter stage {k + 1} to {percent(after)} % with those that leave it "
                f"({100 * low:+.1f} to {100 * high:+.1f} points with 95 % confidence)."
            )
    return (*found, *_by_size(result))


def _by_size(result: ProposalRecall) -> list[str]:
    """AR of the first and last row by size, where there are objects of more than one size."""
    if len(result.rows) < 2:
        return []
    first, last = result.rows[0].average, result.rows[-1].average
    most = max(result.limits)
    changes = {
        size: (first[f"AR{most}_{size}"], last[f"AR{most}_{size}"])
        for size in SIZES
        if not math.isnan(first[f"AR{most}_{size}"])
    }
    if len(changes) < 2:
        return []
    parts = [f"{percent(a)} to {percent(b)} % for {size}" for size, (a, b) in changes.items()]
    return [f"From the first boxes to the last AR{most} goes from {', from '.join(parts)} objects."]
