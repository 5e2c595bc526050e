"""Pictures of objects that a stage mended or broke, out of a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import torch
from matplotlib.figure import Figure

from cascadekit.quality.object_flow import LEVELS, MISSED, PROPOSALS, ObjectFlow, column_label
from cascadekit.quality.records import ImageRecord, Recording
from cascadekit.structures.boxes import iou
from cascadekit.structures.samples import Detections, ImageInfo, Prediction, StageTrace, Targets
from cascadekit.visualization import draw_stages

NAMED = 4  # objects that a caption tells of


@dataclass(frozen=True)
class StagePicture:
    """What a stage did to objects of one image.

    Attributes:
        image: number in the recording.
        before: column of the flow before the stage.
        after: column after it.
        mended: whether objects were found or tightened; else lost or loosened.
        objects: places of the objects in the flow, those that changed most first.
    """

    image: int
    before: str
    after: str
    mended: bool
    objects: tuple[int, ...]


def choose_pictures(flow: ObjectFlow, most: int = 2) -> tuple[StagePicture, ...]:
    """The images in which a stage mended most objects, then those in which it broke most.

    Args:
        flow: of the data set.
        most: images of each kind.

    Returns:
        At most twice as many; of each image and kind the stage that did most. Among equal counts
        the larger change of IoU goes first. What stage 1 makes of proposals is left out.
    """
    chosen: list[StagePicture] = []
    for mended in (True, False):
        ranked = []
        for k, step in enumerate(flow.transitions):
            if step.before == PROPOSALS:
                continue
            up = np.sign(flow.levels[k + 1] - flow.levels[k]) * (1 if mended else -1)
            change = np.abs(flow.ious[k + 1] - flow.ious[k])
            for image in np.unique(flow.images[up > 0]).tolist():
                own = np.flatnonzero((flow.images == image) & (up > 0))
                own = own[np.argsort(-change[own], kind="stable")]
                picture = StagePicture(image, step.before, step.after, mended, tuple(own.tolist()))
                ranked.append((-len(own), -change[own].sum(), k, picture))
        seen: dict[int, StagePicture] = {}
        for *_, picture in sorted(ranked, key=lambda entry: entry[:3]):
            seen.setdefault(picture.image, picture)
        chosen += list(seen.values())[:most]
    return tuple(chosen)


def draw_picture(
    recording: Recording,
    flow: ObjectFlow,
    picture: StagePicture,
    score_threshold: float,
    read_picture: Callable[[ImageInfo], np.ndarray],
) -> Figure:
    """Follow the changed objects' boxes through the stages.

    Drawn are the rois that became their detections: after the stage where it mended, before it
    where it broke; of those that a stage broke only the worst.

    Args:
        recording: that the flow was made from.
        flow: of the same recording.
        picture: of `choose_pictures`.
        score_threshold: that the flow was made with.
        read_picture: gives the (H, W, 3) uint8 RGB picture in the file's size.

    Returns:
        A figure of `visualization.draw_stages`.
    """
    record = recording.images[picture.image]
    objects = picture.objects if picture.mended else picture.objects[:1]
    column = picture.after if picture.mended else picture.before
    found, truth = record.detections[column], record.truth.counted()
    shown = found.scores >= score_threshold
    rows = []
    for place in objects:
        row = int(flow.rows[place])
        overlaps = iou(found.boxes, truth.boxes[row][None])[:, 0]
        overlaps = overlaps * shown * (found.labels == truth.labels[row])
        rows.append(int(overlaps.argmax()))
    kept = found[torch.tensor(sorted(set(rows)), dtype=torch.long)]
    targets = Targets(truth.boxes, truth.labels, truth.boxes[:0])
    return draw_stages(
        read_picture(record.info),
        Prediction(record.info, kept, _traces(record, kept)),
        targets,
        recording.classes,
        score_threshold=score_threshold,
    )


def _traces(record: ImageRecord, found: Detections) -> tuple[StageTrace, ...]:
    """The stages of an image as a picture of them wants it."""
    rois = len(record.stages[0].input_boxes)
    index = torch.full((rois,), -1, dtype=torch.long)
    index[found.roi_index.flip(0)] = torch.arange(len(found)).flip(0)
    return tuple(
        StageTrace(
            stage.input_boxes,
            stage.output_boxes,
            stage.logits_by_head[stage.head].softmax(1),
            index,
        )
        for stage in record.stages
    )


def picture_caption(recording: Recording, flow: ObjectFlow, picture: StagePicture) -> str:
    """One sentence: which stage did what to which objects."""
    record = recording.images[picture.image]
    labels = record.truth.counted().labels
    k, j = (flow.columns.index(name) for name in (picture.before, picture.after))
    told = []
    for place in picture.objects[:NAMED]:
        name = recording.classes[int(labels[flow.rows[place]])]
        ends = [_end(flow, column, place) for column in (k, j)]
        told.append(f"{name} {ends[0]} to {ends[1]}")
    count, left = len(picture.objects), len(picture.objects) - len(told)
    more = f" and {left} more" if left else ""
    did = "mends" if picture.mended else "breaks"
    file = PurePath(record.info.path).name or f"image {record.info.image_id}"
    return (
        f"{file}: {column_label(picture.after)} {did} {count} object{'s' * (count > 1)} "
        f"({', '.join(told)}{more})."
    )


def _end(flow: ObjectFlow, column: int, place: int) -> str:
    """A level with its IoU: "loose (0.62)", "missed"."""
    level = int(flow.levels[column][place])
    name = LEVELS[level]
    return name if level == MISSED else f"{name} ({flow.ious[column][place]:.2f})"
