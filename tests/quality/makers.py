"""Hand-made recordings for the tests of the instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cascadekit.quality.records import (
    ImageRecord,
    Recording,
    SampleRecording,
    StageBoxes,
    StageSamples,
    Truth,
)
from cascadekit.structures.boxes import clip
from cascadekit.structures.samples import Detections, ImageInfo


def boxes_of(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def truth(boxes=(), labels=None, areas=None, crowd=None, ignored=None) -> Truth:
    """Ground truth; labels are 0, areas those of the boxes, nothing is ignored unless said."""
    box = boxes_of(boxes)
    n = len(box)
    size = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    is_crowd = torch.zeros(n, dtype=torch.bool) if crowd is None else torch.tensor(crowd)
    return Truth(
        box,
        torch.zeros(n, dtype=torch.long) if labels is None else torch.tensor(labels),
        size if areas is None else torch.tensor(areas, dtype=torch.float32),
        is_crowd,
        is_crowd if ignored is None else torch.tensor(ignored),
    )


def stage(
    inputs=(),
    outputs=None,
    scores=None,
    logits: Mapping[int, Sequence[Sequence[float]]] | None = None,
    boxes: Mapping[int, Sequence] | None = None,
    head: int = 0,
    classes: int = 1,
) -> StageBoxes:
    """One stage of one image; outputs are the inputs and all logits 0 unless said."""
    entering = boxes_of(inputs)
    leaving = entering if outputs is None else boxes_of(outputs)
    r = len(entering)
    known = {head: torch.zeros(r, classes + 1)}
    for number, rows in (logits or {}).items():
        known[number] = torch.tensor(rows, dtype=torch.float32).reshape(r, classes + 1)
    by_head = {head: leaving[:, None]}
    for number, rows in (boxes or {}).items():
        by_head[number] = torch.tensor(rows, dtype=torch.float32).reshape(r, -1, 4)
    ranks = torch.linspace(1, 0.5, r) if scores is None else torch.tensor(scores)
    return StageBoxes(head, entering, ranks, known, by_head, leaving)


def found(boxes=(), scores=None, labels=None) -> Detections:
    """Detections, best first; label 0 unless said."""
    box = boxes_of(boxes)
    n = len(box)
    return Detections(
        box,
        torch.linspace(1, 0.5, n) if scores is None else torch.tensor(scores),
        torch.zeros(n, dtype=torch.long) if labels is None else torch.tensor(labels),
        torch.arange(n),
    )


def image(
    objects: Truth | None = None,
    stages: Sequence[StageBoxes] = (),
    detections: Mapping[str, Detections] | None = None,
    size: tuple[int, int] = (100, 100),
) -> ImageRecord:
    return ImageRecord(
        ImageInfo(size, size),
        truth() if objects is None else objects,
        tuple(stages),
        {"1": found()} if detections is None else detections,
    )


def keep_all(class_boxes: Tensor, scores: Tensor, info: ImageInfo) -> Detections:
    """A choice of detections without suppression: every roi, as its best class."""
    score, label = scores[:, :-1].max(1)
    order = score.argsort(descending=True, stable=True)
    rows = torch.arange(len(scores))
    picked = class_boxes[rows, label if class_boxes.shape[1] > 1 else torch.zeros_like(label)]
    return Detections(clip(picked, *info.size)[order], score[order], label[order], order)


def recording(
    images: Sequence[ImageRecord] = (),
    classes: Sequence[str] = ("thing",),
    ious: Sequence[float] = (0.5,),
    final: str = "1",
    postprocess=keep_all,
) -> Recording:
    return Recording(tuple(classes), tuple(ious), tuple(images), final, postprocess)


def samples(
    ious: Sequence[float],
    threshold: float = 0.5,
    from_gt: Sequence[bool] | None = None,
    deltas: Sequence[Sequence[float]] | None = None,
    output_ious: Sequence[float] | None = None,
    stage: int = 0,
    stds: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
) -> StageSamples:
    """Training samples of one stage; deltas are 0 (nan where the IoU is 0) unless said."""
    iou = torch.tensor(ious, dtype=torch.float32)
    r = len(iou)
    if deltas is None:
        shift = torch.where(iou[:, None] > 0, 0.0, float("nan")).expand(r, 4).clone()
    else:
        shift = torch.tensor(deltas, dtype=torch.float32).reshape(r, 4)
    return StageSamples(
        stage=stage,
        threshold=threshold,
        ious=iou,
        output_ious=iou if output_ious is None else torch.tensor(output_ious),
        positive=iou >= threshold,
        from_gt=torch.zeros(r, dtype=torch.bool) if from_gt is None else torch.tensor(from_gt),
        deltas=shift,
        stds=tuple(stds),
    )


def sample_recording(stages: Sequence[StageSamples], num_images: int = 1) -> SampleRecording:
    return SampleRecording(tuple(stages), num_images, ("thing",))
