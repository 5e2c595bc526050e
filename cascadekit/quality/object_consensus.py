"""Do the boxes that a regressor makes of one object agree with each other, and with its label?

Many rois of an object are refined to many boxes. Where they differ from each other, boxes that
start better would end better: later stages of a cascade mend that. Where they agree and the label
lies elsewhere, no further look at the picture brings them to it: the label is not where the object
seems to end, or this model cannot see where that is. The mean of an object's boxes, its consensus,
parts the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from cascadekit.evaluation.coco_ap import CocoScores, evaluate_coco
from cascadekit.quality.records import ImageRecord, Recording, StageBoxes, best_objects, to_results
from cascadekit.structures.boxes import iou_aligned

START = 0.5  # rois of an object are those that stage 1 learns it from
LEAST_ROIS = 3  # of fewer boxes a mean says nothing


@dataclass(frozen=True)
class Consensus:
    """What a regressor makes of each object, in images with any; N objects have enough rois.

    Attributes:
        image: (N,) int64, number of the image; ascending.
        object: (N,) int64, row in the image's `truth.counted()`.
        rois: (N,) int64, how many boxes there are of the object.
        single: (N,) float64, mean IoU of its boxes with its label.
        agreement: (N,) mean IoU of its boxes with their mean box.
        consensus: (N,) IoU of their mean box with the label.
        bias: (N, 4) edges of the mean box minus those of the label, by the label's width or height.
        scatter: (N, 4) std of the boxes' edges about their mean, likewise.
        pixels: (N,) root of the label's area in pixels that the network sees.
        num_objects: all counted objects, also those with too few rois.
        num_images: of the recording.
    """

    image: np.ndarray
    object: np.ndarray
    rois: np.ndarray
    single: np.ndarray
    agreement: np.ndarray
    consensus: np.ndarray
    bias: np.ndarray
    scatter: np.ndarray
    pixels: np.ndarray
    num_objects: int
    num_images: int


@dataclass(frozen=True)
class _Group:
    """The rois of one object: (P,) rows of the stage, and the label (4,)."""

    object: int
    rows: Tensor
    label: Tensor


def compute_consensus(recording: Recording) -> Consensus:
    """Group the refined boxes of the first stage by object and compare.

    Args:
        recording: of a detector whose first stage has a regressor; may have no images or objects.

    Returns:
        A row per object with at least three rois from an IoU of 0.5 on.
    """
    rows = [
        (i, group.object, *_compare(image.stages[0], group), _pixels(image, group.label))
        for i, image in enumerate(recording.images)
        for group in _groups(image)
    ]
    image, number, count, single, agreement, consensus, bias, scatter, pixels = (
        zip(*rows, strict=True) if rows else [()] * 9
    )
    return Consensus(
        image=np.array(image, np.int64),
        object=np.array(number, np.int64),
        rois=np.array(count, np.int64),
        single=np.array(single, np.float64),
        agreement=np.array(agreement, np.float64),
        consensus=np.array(consensus, np.float64),
        bias=np.array(bias, np.float64).reshape(-1, 4),
        scatter=np.array(scatter, np.float64).reshape(-1, 4),
        pixels=np.array(pixels, np.float64),
        num_objects=sum(len(image.truth.counted().boxes) for image in recording.images),
        num_images=len(recording.images),
    )


def _groups(image: ImageRecord) -> Iterator[_Group]:
    """The objects of an image that have enough rois to agree or disagree."""
    objects = image.truth.counted().boxes
    if not len(objects) or not image.stages:
        return
    stage = image.stages[0]
    ious, best = best_objects(stage.input_boxes, image.truth)
    usable = (ious >= START) & stage.output_boxes.isfinite().all(1)
    for number in range(len(objects)):
        rows = (usable & (best == number)).nonzero()[:, 0]
        if len(rows) >= LEAST_ROIS:
            yield _Group(number, rows, objects[number])


def _compare(
    stage: StageBoxes, group: _Group
) -> tuple[int, float, float, float, list[float], list[float]]:
    """Count, single, agreement, consensus, bias and scatter of one object's boxes."""
    boxes = stage.output_boxes[group.rows].double()
    mean, label = boxes.mean(0, keepdim=True), group.label[None].double()
    size = (label[:, 2:] - label[:, :2]).repeat(1, 2).clamp(min=1e-6)  # (1, 4)
    return (
        len(boxes),
        float(iou_aligned(boxes, label.expand_as(boxes)).mean()),
        float(iou_aligned(boxes, mean.expand_as(boxes)).mean()),
        float(iou_aligned(mean, label)),
        ((mean - label) / size)[0].tolist(),
        (boxes.std(0) / size[0]).tolist(),
    )


def _pixels(image: ImageRecord, label: Tensor) -> float:
    """Root of a label's area as the network sees it."""
    width, height = (image.info.to_network(label)[2:] - image.info.to_network(label)[:2]).tolist()
    return float(np.sqrt(max(abs(width * height), 0.0)))


def toward_consensus(recording: Recording, share: float = 1.0) -> Recording:
    """The recording as if its boxes differed less: each moved towards its object's mean box.

    Which rois belong together is read from the labels; where they go is not. Scores and everything
    else stay, so what changes in AP comes from the scatter alone.

    Args:
        recording: of a detector with one box per roi or one per class; the first stage is moved.
        share: of the way to the mean, in [0, 1]; 0 changes nothing.

    Returns:
        A recording of the first stage alone, with its detections chosen anew, as choice "1".
    """
    images = []
    for image in recording.images:
        stage = image.stages[0]
        moved = stage.output_boxes.clone()
        for group in _groups(image):
            own = moved[group.rows]
            moved[group.rows] = own + share * (own.mean(0) - own)
        images.append(_detected(recording, image, stage, moved))
    return replace(recording, images=tuple(images), final="1")


def _detected(
    recording: Recording, image: ImageRecord, stage: StageBoxes, boxes: Tensor
) -> ImageRecord:
    """An image's first stage with other boxes, and the detections that follow."""
    scores = stage.logits_by_head[stage.head].softmax(1)
    # The postprocess clips at `size`; these boxes are in pixels of the file.
    info = replace(image.info, size=image.info.original_size, flipped=False)
    found = recording.postprocess(boxes[:, None], scores, info)
    changed = replace(stage, output_boxes=boxes)
    return replace(image, stages=(changed,), detections={"1": found})


def score(recording: Recording) -> CocoScores:
    """COCO AP of the recording's final detections; nan without objects."""
    results = [
        result
        for i, image in enumerate(recording.images)
        for result in to_results(i, image.detections[recording.final])
    ]
    return evaluate_coco(recording.ground_truth(), results)
