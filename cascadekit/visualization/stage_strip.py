"""How boxes tighten from stage to stage, side by side: the picture of what a cascade does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.structures.boxes import iou, iou_aligned
from cascadekit.structures.samples import Prediction, Targets
from cascadekit.visualization.canvas import (
    INK,
    QUIET,
    add_gauge,
    add_labels,
    add_panel,
    check_image,
    color_of,
    fill_difference,
    new_figure,
    outline,
    outline_truth,
    write,
)
from cascadekit.visualization.draw import best_detections, class_names

MARGIN, GAP = 14, 12  # figure pixels around and between panels
HEADER, GAUGE, CAPTION, FOOTER = 32, 50, 34, 30  # heights of the lines of text
SHEET = 1200  # figure pixels across; another width scales the whole sheet, letters too
NARROW = 280  # panels below this have room for short captions only
MIN_MATCH_IOU = 0.3  # a final box that overlaps less is not taken for that ground truth


@dataclass(frozen=True)
class _Story:
    """What is drawn of one picture; D objects, S stages.

    Attributes:
        names: D class names.
        colors: D colours.
        boxes: (S + 1, D, 4) float32 xyxy pixels of the file: proposals, then after each stage.
        reference: (D, 4) what IoU is measured with: matched ground truth or the final boxes.
        known: (D,) bool, objects that have a reference.
        ious: (S + 1, D) IoU of `boxes` with `reference`.
        scores: (S + 1, D) probability of the object's class by each stage; nan for proposals.
        truths: (N, 4) all ground truth of the picture, or None where there is none to compare.
    """

    names: list[str]
    colors: list[str]
    boxes: Tensor
    reference: Tensor
    known: Tensor
    ious: Tensor
    scores: Tensor
    truths: Tensor | None

    def mean_iou(self, stage: int) -> float:
        """Mean over the objects that have a reference; nan when none has."""
        return float(self.ious[stage][self.known].mean())

    def most_gained(self) -> int | None:
        """The object whose IoU grew most from the proposal to the end; None without objects."""
        if not self.known.any():
            return 0 if len(self.names) else None
        gain = (self.ious[-1] - self.ious[0]).masked_fill(~self.known, -torch.inf)
        return int(gain.argmax())


def draw_stages(
    image: np.ndarray,
    prediction: Prediction,
    targets: Targets | None,
    classes: Sequence[str],
    score_threshold: float = 0.3,
    max_detections: int = 6,
    zoom: bool = True,
    width: int = 1200,
) -> Figure:
    """Follow each detection's box back through the stages, one panel per stage.

    Under each panel stands the mean IoU with the matched ground truth or, without ground truth,
    with the final boxes. A second row enlarges the object that gained most and shades where its
    box and the reference differ.

    Args:
        image: (H, W, 3) uint8 RGB, the picture as on disk.
        prediction: with S >= 1 stages, in pixels of `image`; it may hold no detections.
        targets: ground truth in pixels of `image` (not of the network), or None.
        classes: K names.
        score_threshold: detections below are left out.
        max_detections: at most so many, the best.
        zoom: whether to draw the second row.
        width: of the figure, pixels; letters and lines grow with it.

    Returns:
        A figure whose axes are labelled "stage-0" (proposals) ... "stage-S" and, with `zoom` and
        objects to show, "zoom-0" ... "zoom-S".

    Raises:
        InputError: the image is of another kind, a label has no name, or there are no stages.
    """
    height, image_width = check_image(image)
    story = _tell(prediction, targets, classes, score_threshold, max_detections)
    columns = len(story.boxes)
    panel = (SHEET - 2 * MARGIN - (columns - 1) * GAP) / columns
    tall = min(panel * height / image_width, 1.5 * panel)
    wide = tall * image_width / height  # a very tall picture leaves room at its sides
    pick = story.most_gained() if zoom else None
    below = MARGIN + HEADER + tall + GAUGE  # where the second row starts
    row_height = 0.0 if pick is None else 0.8 * panel + CAPTION
    figure = new_figure(SHEET, below + row_height + FOOTER)
    window = None if pick is None else _window(story, pick, 0.8, height, image_width)
    for k in range(columns):
        left = MARGIN + k * (panel + GAP)
        write(figure, left, MARGIN + HEADER / 2 - 4, _title(k), 18, bold=True)
        place = (left + (panel - wide) / 2, MARGIN + HEADER, wide, tall)
        axes = add_panel(figure, image, place, f"stage-{k}")
        _draw_objects(axes, story, k)
        if k == columns - 1:
            add_labels(axes, story.boxes[k].tolist(), story.names, story.colors, size=12)
        _write_mean(figure, (left, MARGIN + HEADER + tall + 10, panel), story, k)
        if pick is not None:
            axes = add_panel(figure, image, (left, below, panel, 0.8 * panel), f"zoom-{k}")
            _draw_enlarged(axes, story, k, pick, window)
            _write_enlarged(figure, (left, below + 0.8 * panel, panel), story, k, pick)
    _write_footer(figure, below + row_height, story, score_threshold, pick)
    figure.set_dpi(figure.dpi * width / SHEET)
    return figure


def _title(column: int) -> str:
    return "proposals" if column == 0 else f"stage {column}"


def _tell(
    prediction: Prediction,
    targets: Targets | None,
    classes: Sequence[str],
    score_threshold: float,
    max_detections: int,
) -> _Story:
    """Gather the boxes and scores of the shown detections at every stage."""
    if not prediction.stages:
        raise InputError("the prediction has no stages: draw_stages needs at least one StageTrace")
    found = prediction.detections
    traced = found[found.roi_index >= 0]  # other views of test-time augmentation tell no story
    shown = best_detections(traced, score_threshold, max_detections)
    rows, labels = shown.roi_index.cpu(), shown.labels.cpu()
    traces = prediction.stages
    inputs = traces[0].input_boxes
    boxes = torch.stack(
        [b.float().cpu()[rows] for b in (inputs, *(t.output_boxes for t in traces))]
    )
    scores = [t.scores.float().cpu()[rows, labels] for t in traces]
    reference, known = shown.boxes.float().cpu(), torch.ones(len(shown), dtype=torch.bool)
    truths = None
    if targets is not None:
        truths = targets.boxes.float().cpu()
        reference, known = _match(reference, labels, truths, targets.labels.cpu())
    return _Story(
        names=class_names(shown, classes),
        colors=[color_of(number) for number in range(len(shown))],
        boxes=boxes,
        reference=reference,
        known=known,
        ious=torch.stack([iou_aligned(stage, reference) for stage in boxes]),
        scores=torch.stack([torch.full((len(shown),), torch.nan), *scores]),
        truths=truths,
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


def _window(
    story: _Story, pick: int, shape: float, image_height: int, image_width: int
) -> tuple[float, float, float, float]:
    """Part of the picture, x1 y1 x2 y2, that holds one object at all stages; `shape` is its h/w."""
    around = torch.cat([story.boxes[:, pick], story.reference[pick][None]])
    x1, y1 = around[:, :2].amin(0).tolist()
    x2, y2 = around[:, 2:].amax(0).tolist()
    margin = 0.1 * max(x2 - x1, y2 - y1) + 2
    width = max(x2 - x1 + 2 * margin, (y2 - y1 + 2 * margin) / shape)
    left = _shift((x1 + x2 - width) / 2, width, image_width)
    top = _shift((y1 + y2 - width * shape) / 2, width * shape, image_height)
    return left, top, left + width, top + width * shape


def _shift(start: float, length: float, limit: float) -> float:
    """Move [start, start + length] into [0, limit], or centre it there when it is longer."""
    return (limit - length) / 2 if length > limit else min(max(start, 0.0), limit - length)


def _draw_objects(axes: Axes, story: _Story, stage: int) -> None:
    """All boxes of one stage, ground truth on top because it is thin."""
    for box, color in reversed(list(zip(story.boxes[stage].tolist(), story.colors, strict=True))):
        outline(axes, box, color, 2.0)
    if story.truths is not None:
        # Only those of the objects shown, or a crowded picture is all dashes.
        known = story.reference[story.known] if story.known.any() else story.truths
        for box in known.tolist():
            outline_truth(axes, box)


def _draw_enlarged(
    axes: Axes,
    story: _Story,
    stage: int,
    pick: int,
    window: tuple[float, float, float, float],
) -> None:
    """One object at one stage, the part shaded where its box and the reference differ."""
    box, reference = story.boxes[stage, pick].tolist(), story.reference[pick].tolist()
    axes.set_xlim(window[0], window[2])
    axes.set_ylim(window[3], window[1])
    axes.set_facecolor("#eaeef2")
    fill_difference(axes, box, reference, story.colors[pick])
    outline(axes, box, story.colors[pick], 4.0)
    if story.truths is not None and story.known[pick]:
        outline_truth(axes, reference, 2.0)


def _write_mean(
    figure: Figure, place: tuple[float, float, float], story: _Story, stage: int
) -> None:
    """Gauge and number under a panel; `place` is x, y and width in figure pixels."""
    x, y, width = place
    mean = story.mean_iou(stage)
    if mean != mean:
        write(figure, x, y + 14, "no object to measure", 14, color=QUIET)
        return
    add_gauge(figure, x, y, width, mean)
    kind = "with final boxes" if story.truths is None else "with ground truth"
    write(figure, x, y + 22, f"{mean:.2f}", 18, bold=True)
    write(figure, x + 54, y + 23, f"mean IoU {kind if width > NARROW else ''}", 13, color=QUIET)
    if stage:
        gain = mean - story.mean_iou(stage - 1)
        write(figure, x + width, y + 23, f"{gain:+.2f}", 13, color=INK, align="right")


def _write_enlarged(
    figure: Figure, place: tuple[float, float, float], story: _Story, stage: int, pick: int
) -> None:
    """IoU and score of the enlarged object; `place` is x, y and width in figure pixels."""
    x, y, width = place
    if story.known[pick]:
        kind = "IoU with final box" if story.truths is None and width > NARROW else "IoU"
        write(figure, x, y + 17, f"{kind} {story.ious[stage, pick]:.2f}", 14, bold=True)
    score = float(story.scores[stage, pick])
    if score == score:
        write(figure, x + width, y + 17, f"score {score:.2f}", 13, color=QUIET, align="right")


def _write_footer(
    figure: Figure, y: float, story: _Story, score_threshold: float, pick: int | None
) -> None:
    """One line that says what the ink means."""
    parts = [f"{'no ' if not story.names else ''}detections with score ≥ {score_threshold:g}"]
    if story.truths is None:
        parts.append("no ground truth given: IoU is with the final boxes")
    else:
        parts.append("dashed: ground truth")
        parts.append(f"{int(story.known.sum())} of {len(story.names)} matched")
    if pick is not None:
        name = shorten(story.names[pick], 24, placeholder="…")
        parts.append(f"second row: {name} enlarged, shaded where boxes differ")
    write(figure, MARGIN, y + 11, "   ·   ".join(parts), 12.5, color=QUIET)
