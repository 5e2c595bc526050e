"""The rois that enter a stage, paired with the objects they overlap most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.quality.records import ImageRecord, Recording, StageBoxes, best_objects


@dataclass(frozen=True)
class StageInputs:
    """Rois of one stage of one image whose IoU is in a range.

    Attributes:
        rows: (P,) int64, which of the stage's rois; P may be 0.
        ious: (P,) float32 in [0, 1], with the counted object that each overlaps most.
        objects: (P,) int64, row of that object in `truth.counted()`; -1 where there is none.
    """

    rows: Tensor
    ious: Tensor
    objects: Tensor


def stage_inputs(
    record: ImageRecord, stage: int, start: float, most: float | None = None
) -> StageInputs:
    """Pair the rois that enter a stage with their objects.

    Args:
        record: of one image.
        stage: 0..S-1.
        start: leave out rois below this IoU.
        most: leave out rois above this IoU; None: none.

    Returns:
        Those in between, in the order of the rois. Objects that are ignored do not count: a roi
        on one is paired with another object, or with none.
    """
    ious, objects = best_objects(record.stages[stage].input_boxes, record.truth)
    # A box that is not finite has an IoU of nan, which is in no range.
    keep = (ious >= start) & (ious <= (1.0 if most is None else most))
    rows = keep.nonzero()[:, 0]
    return StageInputs(rows, ious[rows], objects[rows])


def first_stages(recording: Recording) -> tuple[StageBoxes, ...]:
    """Stages of the first image, which say what heads there are; empty without images."""
    return recording.images[0].stages if recording.images else ()


def heads_at(recording: Recording, stage: int) -> tuple[list[int], list[int]]:
    """The heads that were run on a stage's boxes.

    Args:
        recording: may be without images: then there are none.
        stage: 0..S-1.

    Returns:
        Those with class logits, and those with a regressor, in ascending order.

    Raises:
        InputError: there is no such stage.
    """
    stages = first_stages(recording)
    if not recording.images:
        return [], []
    if not 0 <= stage < len(stages):
        raise InputError(
            f"there is no stage {stage}: the recording has {len(stages)}, counted from 0"
        )
    return sorted(stages[stage].logits_by_head), sorted(stages[stage].boxes_by_head)


def check_most(most: float | None, start: float) -> None:
    """Raise InputError where an upper limit on the IoU leaves nothing."""
    if most is not None and not start < most <= 1:
        raise InputError(
            f"most is an IoU above {start:g} and up to 1 (or None for no limit), got {most!r}"
        )


def refined_boxes(stage: StageBoxes, head: int, rows: Tensor) -> Tensor:
    """Boxes (P, 4) that a head's regressor makes of some rois, as in inference.

    With a regressor per class, the one of the likeliest class by that head's own logits counts,
    background left out.
    """
    boxes = stage.boxes_by_head[head][rows]  # (P, G, 4)
    if boxes.shape[1] == 1:
        return boxes[:, 0]
    label = stage.logits_by_head[head][rows, :-1].argmax(1)
    return boxes[torch.arange(len(rows)), label]
