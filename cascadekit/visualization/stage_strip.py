"""How boxes tighten from stage to stage, side by side: the picture of what a cascade does."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.structures.samples import Prediction, Targets
from cascadekit.visualization.canvas import (
    INK,
    QUIET,
    add_gauge,
    add_labels,
    add_panel,
    check_image,
    fill_difference,
    new_figure,
    outline,
    outline_truth,
    write,
)
from cascadekit.visualization.story import Story, tell_story

MARGIN, GAP = 14, 12  # figure pixels around and between panels
HEADER, GAUGE, CAPTION, FOOTER = 32, 50, 34, 30  # heights of the lines of text
SHEET = 1200  # figure pixels across; another width scales the whole sheet, letters too
NARROW = 280  # panels below this have room for short captions only


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
    story = tell_story(prediction, targets, classes, score_threshold, max_detections)
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


def _window(
    story: Story, pick: int, shape: float, image_height: int, image_width: int
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


def _draw_objects(axes: Axes, story: Story, stage: int) -> None:
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
    story: Story,
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
    figure: Figure, place: tuple[float, float, float], story: Story, stage: int
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
    figure: Figure, place: tuple[float, float, float], story: Story, stage: int, pick: int
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
    figure: Figure, y: float, story: Story, score_threshold: float, pick: int | None
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
