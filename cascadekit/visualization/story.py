"""How each detection of a picture came about: what the stage pictures and the viewer show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.structures.boxes import iou, iou_aligned
from cascadekit.structures.samples import Detections, Prediction, Targets
from cascadekit.visualization.canvas import color_of
from cascadekit.visualization.draw import best_detections, class_names

MIN_MATCH_IOU = 0.3  # a final box that overlaps less is not taken for that ground truth


@dataclass(frozen=True)
class Story:
    """What is shown of one picture; D objects, S stages, K classes; pixels of the file.

    Attributes:
        names: D class names.
        colors: D colours.
        found: the D detections, best first.
        boxes: (S + 1, D, 4) float32 xyxy: proposals, then after each stage, not clipped.
        reference: (D, 4) what IoU is measured with: matched ground truth or the final boxes.
        known: (D,) bool, objects that have a reference.
        ious: (S + 1, D) IoU of `boxes` with `reference`.
        scores: (S + 1, D) probability of the object's class by each stage; nan for proposals.
        probabilities: (S, D, K + 1) of all classes by each stage; background is last.
        truths: (N, 4) all ground truth of the picture, or None where there is none to compare.
        classes: K names.
    """

    names: list[str]
    colors: list[str]
    found: Detections
    boxes: Tensor
    reference: Tensor
    known: Tensor
    ious: Tensor
    scores: Tensor
    probabilities: Tensor
    truths: Tensor | None
    classes: tuple[str, ...]

    def class_name(self, label: int) -> str:
        """Name of a class 0..K-1; K is background."""
        return "background" if label == len(self.classes) else self.classes[label]

    def mean_iou(self, stage: int) -> float:
        """Mean over the objects that have a reference; nan when none has."""
        return float(self.ious[stage][self.known].mean())

    def most_gained(self) -> int | None:
        """The object whose IoU grew most from the proposal to the end; None without objects."""
        if not self.known.any():
            return 0 if len(self.names) else None
        gain = (self.ious[-1] - self.ious[0]).masked_fill(~self.known, -torch.inf)
        return int(gain.argmax())


def tell_story(
    prediction: Prediction,
    targets: Targets | None,
    classes: Sequence[str],
    score_threshold: float,
    max_detections: int,
) -> Story:
    """Gather the boxes and scores of the shown detections at every stage.

    Args:
        prediction: with S >= 1 stages; it may hold no detections.
        targets: ground truth in pixels of the file, or None.
        classes: K names.
        score_threshold: detections below are left out.
        max_detections: at most so many, the best.

    Returns:
        The story of D detections; D may be 0. Detections that came from other views of test-time
        augmentation have none and are left out.

    Raises:
        InputError: the prediction has no stages, or a label has no name.
    """
    if not prediction.stages:
        raise InputError("the prediction has no stages: there must be at least one StageTrace")
    found = prediction.detections
    shown = best_detections(found[found.roi_index >= 0], score_threshold, max_detections)
    rows, labels = shown.roi_index.cpu(), shown.labels.cpu()
    traces = prediction.stages
    inputs = traces[0].input_boxes
    boxes = torch.stack(
        [b.float().cpu()[rows] for b in (inputs, *(t.output_boxes for t in traces))]
    )
    probabilities = torch.stack([t.scores.float().cpu()[rows] for t in traces])  # (S, D, K + 1)
    own = probabilities[:, torch.arange(len(rows)), labels]  # (S, D)
    reference, known = shown.boxes.float().cpu(), torch.ones(len(shown), dtype=torch.bool)
    truths = None
    if targets is not None:
        truths = targets.boxes.float().cpu()
        reference, known = _match(reference, labels, truths, targets.labels.cpu())
    return Story(
        names=class_names(shown, classes),
        colors=[color_of(number) for number in range(len(shown))],
        found=shown,
        boxes=boxes,
        reference=reference,
        known=known,
        ious=torch.stack([iou_aligned(stage, reference) for stage in boxes]),
        scores=torch.cat([torch.full((1, len(shown)), torch.nan), own]),
        probabilities=probabilities,
        truths=truths,
        classes=tuple(map(str, classes)),
    )


def _match(
    boxes: Tensor, labels: Tensor, truths: Tensor, truth_labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Ground truth of each detection, one to one, the best score first.

    Args:
        boxes: (D, 4) final boxes, best first; D may be 0.
        labels: (D,).
        truths: (N, 4); N may be 0.
        truth_labels: (N,).

    Returns:
        (D, 4) matched boxes (a detection's own box where none matches) and (D,) bool.
    """
    overlaps = iou(boxes, truths) * (labels[:, None] == truth_labels[None, :])  # (D, N)
    reference, known = boxes.clone(), torch.zeros(len(boxes), dtype=torch.bool)
    for i in range(len(boxes)):
        if overlaps.shape[1] and overlaps[i].max() >= MIN_MATCH_IOU:
            best = int(overlaps[i].argmax())
            reference[i], known[i] = truths[best], True
            overlaps[:, best] = 0  # taken
    return reference, known
