"""What would enter each stage of a cascade in training: measured if it can be, else extrapolated.

Stage 1 gets proposals, stage 2 what stage 1's regressor makes of them. A one-stage detector shows
both. What stage 3 would get depends on a second regressor that nobody has trained, and proposals
alone do not even show the first: that is extrapolated from the paper's detector and marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.quality.records import (
    ImageRecord,
    Recording,
    SampleRecording,
    StageSamples,
    best_objects,
)
from cascadekit.structures.boxes import cover

MEASURED, EXTRAPOLATED = "measured", "extrapolated"
IGNORE_COVER = 0.7  # background rois that lie in an ignore region more than this are left out

# How much of a box's error a regressor leaves, from the paper's Figure 5: the deltas' std falls
# from .123 to .061 (stage 1's regressor leaves .49 of it) and on to .039 (stage 2's leaves .65).
# In logarithms the second regressor gains .62 of what the first did.
PAPER_FIRST = 0.49
# By the shares of Figure 4 it gains less: as many samples reach .60 before stage 2 as .70 after
# it, errors of .25 and .18: it leaves .71, where stage 1's leaves .51 (.50 to .71); .51 in logs.
# We take the middle of both. Checked: on drawn shapes and on photos of cards the second regressor
# left .73 and .50 where this says .70 and .51, and stage 3's shares at .7 and .8 were met to 2.5
# points.
SECOND_GAIN = 0.56
SECOND_GAIN_LOW, SECOND_GAIN_HIGH = 0.0, 0.8  # nothing more is gained; nearly as much as before
# A regressor moves boxes that overlap their object at least so much; others stay as they are.
MOVED_FROM = 0.3


@dataclass(frozen=True)
class Sampling:
    """How stage 1 draws its rois, as `RandomSampler` does.

    Attributes:
        num: rois per image, at most; later stages keep them all.
        pos_fraction: largest share of positives.
        iou: u of stage 1; copies of ground truth join the proposals and take part in the draw.
    """

    num: int = 512
    pos_fraction: float = 0.25
    iou: float = 0.5

    @classmethod
    def of(cls, samples: SampleRecording) -> Sampling:
        """How samples must have been drawn, from their counts; the standard where there are none.

        The largest share of positives is not seen, only the one that was reached: it is taken for
        the standard quarter unless that was more.
        """
        if not samples.stages or not samples.num_images or not len(samples.stages[0].ious):
            return cls()
        first = samples.stages[0]
        num = max(round(len(first.ious) / samples.num_images), 1)
        reached = math.ceil(num * float(first.positive.float().mean()) - 1e-6) / num
        return cls(num, max(cls.pos_fraction, reached), first.threshold)


@dataclass(frozen=True)
class Arrivals:
    """The rois that enter one stage in training; copies of ground truth are left out.

    Attributes:
        stage: 0..T-1.
        basis: "measured" or "extrapolated".
        ious: (R,) float64 in [0, 1], with the object each overlaps most; R may be 0.
        deltas: (R, 4) float64 (dx, dy, dw, dh) to that object, not normalised; nan where there is
            none.
        weights: (R,) float64 in [0, 1], how likely each is drawn.
        image: (R,) int64, 0..I-1, which image each is from; -1 where that is not known.
        num_images: I; may be 0.
        source: how they were come by, for captions.
    """

    stage: int
    basis: str
    ious: np.ndarray
    deltas: np.ndarray
    weights: np.ndarray
    image: np.ndarray
    num_images: int
    source: str

    @property
    def per_image(self) -> float:
        """Rois per image; nan without images."""
        return float(self.weights.sum()) / self.num_images if self.num_images else math.nan


@dataclass(frozen=True)
class Refinement:
    """What a regressor leaves of the boxes' errors.

    Attributes:
        left: error after by error before, of boxes with an IoU of 0.5 or more (medians); below 1
            the boxes become better; nan where there are none.
        basis: "measured" or "extrapolated".
    """

    left: float
    basis: str


def error_of(ious: np.ndarray) -> np.ndarray:
    """An IoU as an error, (1 - IoU) / (1 + IoU): the shift, in box widths, that causes it."""
    return (1 - ious) / (1 + ious)


def iou_of(errors: np.ndarray) -> np.ndarray:
    """Inverse of `error_of`, which is its own inverse."""
    return error_of(errors)


def measured_arrivals(
    recording: Recording | None, samples: SampleRecording | None, sampling: Sampling
) -> tuple[tuple[Arrivals, ...], Refinement]:
    """All that can be measured: the input of each stage there is, and what leaves the last one.

    Args:
        recording: stages as in inference; its rois are weighted as if they were drawn for training.
        samples: what the stages saw in training. Where both are given the stages that there are
            come from the samples, and what leaves the last one from the recording, which knows its
            boxes and may be of images that nobody trained on.
        sampling: how stage 1 draws, for a recording.

    Returns:
        Inputs of stages 1 to S + 1 (of stage 1 alone for proposals without a regressor), and what
        the last regressor left of the errors.

    Raises:
        InputError: neither is given.
    """
    if recording is None:
        if samples is None:
            raise InputError("give a recording of the stages, training samples, or both")
        return _of_samples(samples)
    boxes, left = _of_recording(recording, sampling)
    if samples is None:
        return boxes, left
    drawn, _ = _of_samples(samples)
    known = max(min(len(drawn), len(boxes)) - 1, 0)  # stages that both have; then what leaves them
    return (*drawn[:known], *boxes[known:]), left


def extrapolate(before: Arrivals, left: float) -> Arrivals:
    """The input of the next stage, if a regressor leaves so much of each box's error.

    Boxes below an IoU of 0.3 stay as they are.
    """
    moved = (before.ious >= MOVED_FROM) & np.isfinite(before.deltas).all(1)
    share = np.where(moved, left, 1.0)
    return replace(
        before,
        stage=before.stage + 1,
        basis=EXTRAPOLATED,
        ious=iou_of(np.clip(share * error_of(before.ious), 0, 1)),
        deltas=before.deltas * share[:, None],
        source=f"{before.source}; then errors times {left:.2f}",
    )


def next_refinement(last: Refinement, gain: float = SECOND_GAIN) -> Refinement:
    """What one more regressor would leave: it gains less than the one before, as in the paper."""
    if math.isnan(last.left):
        return Refinement(math.nan, EXTRAPOLATED)
    return Refinement(min(last.left, 1.0) ** gain, EXTRAPOLATED)


def _of_samples(samples: SampleRecording) -> tuple[tuple[Arrivals, ...], Refinement]:
    found: list[Arrivals] = []
    source = f"training samples of {samples.num_images} images"
    for stage in samples.stages:
        own = ~stage.from_gt
        found.append(_arrivals_of(stage, own, stage.ious, stage.deltas, samples, source))
    if not samples.stages:
        return (), Refinement(math.nan, MEASURED)
    last = samples.stages[-1]
    own = ~last.from_gt
    before, after = last.ious[own].double().numpy(), last.output_ious[own].double().numpy()
    ratio = error_of(after) / np.maximum(error_of(before), 1e-6)
    # Boxes after the last stage are known by their IoU alone: deltas shrink as errors do.
    shrunk = last.deltas.clone()
    shrunk[own] = last.deltas[own] * torch.from_numpy(ratio).float()[:, None]
    final = _arrivals_of(last, own, last.output_ious, shrunk, samples, f"{source}, refined")
    weights = np.ones(len(before))
    return (
        (*found, replace(final, stage=last.stage + 1)),
        Refinement(_left(before, after, weights), MEASURED),
    )


def _arrivals_of(
    stage: StageSamples,
    own: Tensor,
    ious: Tensor,
    deltas: Tensor,
    samples: SampleRecording,
    source: str,
) -> Arrivals:
    count = int(own.sum())
    return Arrivals(
        stage=stage.stage,
        basis=MEASURED,
        ious=ious[own].double().numpy(),
        deltas=deltas[own].double().numpy(),
        weights=np.ones(count),
        image=np.full(count, -1),
        num_images=samples.num_images,
        source=source,
    )


def _of_recording(
    recording: Recording, sampling: Sampling
) -> tuple[tuple[Arrivals, ...], Refinement]:
    count = _refining_stages(recording)
    source = f"{recording.proposals} on {len(recording.images)} images, drawn as in training"
    drawn = [_draw(image, sampling) for image in recording.images]
    rows = [
        [
            _arriving(image, k, keep)
            for image, (keep, _) in zip(recording.images, drawn, strict=True)
        ]
        for k in range(count + 1)
    ]
    weights = _joined([weight for _, weight in drawn])
    index = [np.full(len(weight), i) for i, (_, weight) in enumerate(drawn)]
    found = tuple(
        Arrivals(
            stage=k,
            basis=MEASURED,
            ious=_joined([ious for ious, _ in stage]),
            deltas=_joined([deltas for _, deltas in stage]).reshape(-1, 4),
            weights=weights,
            image=_joined(index).astype(np.int64),
            num_images=len(recording.images),
            source=source if k == 0 else f"{source}, refined {k} time{'s' * (k > 1)}",
        )
        for k, stage in enumerate(rows)
    )
    if count == 0:
        return found, Refinement(PAPER_FIRST, EXTRAPOLATED)
    left = _left(found[-2].ious, found[-1].ious, weights)
    return found, Refinement(left, MEASURED)


def _refining_stages(recording: Recording) -> int:
    """Stages whose boxes come from a regressor of their own; 0 for proposals alone."""
    stages = recording.images[0].stages if recording.images else ()
    count = 0
    for k, stage in enumerate(stages):
        # Iterative BBox applies one head again: its second pass is no stage 2.
        if stage.head != k or stage.head not in stage.boxes_by_head:
            break
        count += 1
    return count


def _draw(image: ImageRecord, sampling: Sampling) -> tuple[Tensor, np.ndarray]:
    """Rows (R',) of stage 1's rois that may be drawn, and how likely each is, (R',)."""
    boxes = image.stages[0].input_boxes
    ious, _ = best_objects(boxes, image.truth)
    positive = ious >= sampling.iou
    regions = image.truth.boxes[image.truth.ignored]
    keep = positive
    if len(boxes):
        inside = cover(boxes, regions).amax(1) if len(regions) else boxes.new_zeros(len(boxes))
        keep = positive | (inside <= IGNORE_COVER)
    rows = keep.nonzero()[:, 0]
    positive = positive[rows].numpy()
    candidates = int(positive.sum()) + len(image.truth.counted().boxes)
    taken = min(int(sampling.num * sampling.pos_fraction), candidates)
    negatives = int((~positive).sum())
    background = min(sampling.num - taken, negatives)
    weights = np.where(positive, taken / max(candidates, 1), background / max(negatives, 1))
    return rows, weights.astype(np.float64)


def _arriving(image: ImageRecord, stage: int, rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """IoUs (R',) and deltas (R', 4) of some rois as they enter a stage, or leave the last one."""
    there = stage < len(image.stages)
    boxes = (image.stages[stage].input_boxes if there else image.stages[-1].output_boxes)[rows]
    ious, objects = best_objects(boxes, image.truth)
    deltas = boxes.new_full((len(boxes), 4), math.nan)
    known = (objects >= 0) & (ious > 0)
    deltas[known] = deltas_between(boxes[known], image.truth.counted().boxes[objects[known]])
    return ious.nan_to_num().double().numpy(), deltas.double().numpy()


def deltas_between(boxes: Tensor, targets: Tensor) -> Tensor:
    """(R, 4) deltas (dx, dy, dw, dh) from each box to its target, not normalised.

    Source: R-CNN (Girshick et al. 2014), appendix C, as the detector's coder has it.
    """
    size, target_size = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    shift = (targets[:, :2] + targets[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2
    return torch.cat([shift / size, (target_size / size).log()], dim=1)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _left(before: np.ndarray, after: np.ndarray, weights: np.ndarray) -> float:
    """Median error after a regressor by that before it, of boxes with an IoU of 0.5 or more."""
    rows = before >= 0.5
    if weights[rows].sum() == 0:
        return math.nan
    first = weighted_median(error_of(before[rows]), weights[rows])
    return weighted_median(error_of(after[rows]), weights[rows]) / max(first, 1e-6)


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value that half of the weight lies below or at; nan without weight."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if not len(total) or total[-1] <= 0:
        return math.nan
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def stages_of(
    recording: Recording | None, samples: SampleRecording | None, sampling: Sampling, stages: int
) -> tuple[tuple[Arrivals, ...], Refinement, tuple[tuple[Arrivals, Arrivals] | None, ...]]:
    """The input of each stage of a cascade that may not exist yet.

    Args:
        recording: see `measured_arrivals`.
        samples: likewise.
        sampling: likewise.
        stages: T, how many stages the cascade would have.

    Returns:
        T arrivals, the last measured (or assumed) refinement, and for each stage None or its
        arrivals if regressors gain nothing more, and if they gain as much as before.
    """
    measured, refinement = measured_arrivals(recording, samples, sampling)
    if not measured:
        return (), refinement, ()
    found = list(measured[:stages])
    spread: list[tuple[Arrivals, Arrivals] | None] = [None] * len(found)
    for middle, worst, best in _further(measured, refinement, stages):
        found.append(middle)
        spread.append((worst, best))
    return tuple(found), refinement, tuple(spread)


def _further(
    measured: tuple[Arrivals, ...], refinement: Refinement, stages: int
) -> Iterator[tuple[Arrivals, Arrivals, Arrivals]]:
    """Arrivals beyond the measured ones: as expected, at worst and at best."""
    middle = worst = best = measured[-1]
    assumed = refinement.basis == EXTRAPOLATED  # proposals alone: the first is not known either
    lefts = [refinement.left] * 3
    for _ in range(len(measured), stages):
        if assumed:
            lefts, assumed = [lefts[0], 1.0, lefts[2]], False
        else:
            gains = (SECOND_GAIN, SECOND_GAIN_LOW, SECOND_GAIN_HIGH)
            lefts = [
                next_refinement(Refinement(left, EXTRAPOLATED), gain).left
                for left, gain in zip(lefts, gains, strict=True)
            ]
        steps = [1.0 if math.isnan(left) else left for left in lefts]
        middle = extrapolate(middle, steps[0])
        worst, best = extrapolate(worst, steps[1]), extrapolate(best, steps[2])
        yield middle, worst, best
