"""One object through the stages, as an HTML table and a small plot of its IoU."""

from __future__ import annotations

import html
import math

from cascadekit.structures.boxes import iou_aligned
from cascadekit.visualization.canvas import INK
from cascadekit.visualization.raster import boxes_at
from cascadekit.visualization.story import Story

# Colours are the page's own where nothing is said, so that both light and dark themes can be read.
CELL = "padding:2px 4px;text-align:right;white-space:nowrap;border-bottom:1px solid #8886"
# Scores of long names go on two lines where the table has no more room.
SCORES = CELL.replace("nowrap", "normal")


def stage_names(story: Story) -> list[str]:
    """What the positions of the slider are called: proposals, each stage, final."""
    return ["proposals", *(f"stage {k}" for k in range(1, len(story.boxes))), "final"]


def object_table(story: Story, row: int, stage: int | None) -> str:
    """Box, IoU, shift and scores of one object at every stage.

    Args:
        story: D objects, S stages.
        row: of the object.
        stage: 0..S + 1, the line to be stressed; None: no line.

    Returns:
        An HTML `<table>`; all text is escaped.
    """
    against = "IoU" if story.truths is not None else "IoU with final"
    head = ("", "x1", "y1", "x2", "y2", "shift px", against, "scores")
    lines = []
    for k, name in enumerate(stage_names(story)):
        style = f" style='background:#fff3c4;color:{INK};font-weight:600'" if k == stage else ""
        cells = [name, *_numbers(story, row, k)]
        numbers = "".join(f"<td style='{CELL}'>{html.escape(cell)}</td>" for cell in cells)
        scores = f"<td style='{SCORES}'>{_scores(story, row, k)}</td>"
        lines.append(f"<tr{style}>{numbers}{scores}")
    heads = "".join(f"<th style='{CELL}'>{html.escape(name)}</th>" for name in head)
    return (
        "<table style='border-collapse:collapse;font:12px sans-serif;color:inherit'>"
        f"<thead><tr>{heads}</tr></thead><tbody>{'</tr>'.join(lines)}</tr></tbody></table>"
    )


def _numbers(story: Story, row: int, stage: int) -> list[str]:
    """Corners, how far they moved since the stage before (mean of the four), and IoU."""
    box = boxes_at(story, stage)[row]
    shift = "-"
    if stage:
        before = boxes_at(story, stage - 1)[row]
        shift = f"{sum(abs(a - b) for a, b in zip(box, before, strict=True)) / 4:.1f}"
    overlap = iou_at(story, row, stage)
    return [*(f"{x:.1f}" for x in box), shift, "-" if math.isnan(overlap) else f"{overlap:.2f}"]


def iou_at(story: Story, row: int, stage: int) -> float:
    """IoU of an object with its reference at a stage 0..S + 1; nan without a reference."""
    if not story.known[row]:
        return math.nan
    if stage < len(story.ious):
        return float(story.ious[stage, row])
    final = story.found.boxes[row : row + 1].float().cpu()
    return float(iou_aligned(final, story.reference[row : row + 1])[0])


def _scores(story: Story, row: int, stage: int, most: int = 2) -> str:
    """The likeliest classes of a stage, the reported score at the end, as HTML."""
    if stage == 0:
        return ""
    if stage == len(story.boxes):
        return _together(story.names[row], float(story.found.scores[row]))
    probabilities = story.probabilities[stage - 1, row]
    best = probabilities.argsort(descending=True)[:most].tolist()
    return ", ".join(
        _together(story.class_name(k), float(probabilities[k]))
        for k in best
        if float(probabilities[k]) >= 0.01
    )


def _together(name: str, score: float) -> str:
    """A class and its score, never on two lines."""
    return html.escape(f"{name} {score:.2f}").replace(" ", "&nbsp;")


def iou_plot(story: Story, row: int, stage: int | None, width: int = 260, height: int = 124) -> str:
    """IoU of one object by stage as a small SVG picture.

    Args:
        story: D objects, S stages.
        row: of the object.
        stage: 0..S + 1, whose point is filled; None: no point.
        width: pixels.
        height: pixels.

    Returns:
        An `<svg>`, or a sentence where the object has no reference.
    """
    names = stage_names(story)
    values = [iou_at(story, row, k) for k in range(len(names))]
    if math.isnan(values[0]):
        return "<span style='font:12px sans-serif'>no ground truth matches</span>"
    left, top, bottom = 30, 22, height - 20
    step = (width - left - 20) / (len(names) - 1)
    points = [(left + 8 + k * step, bottom - v * (bottom - top)) for k, v in enumerate(values)]
    title = "IoU" if story.truths is not None else "IoU with final"
    parts = [f"<text x='{left - 4}' y='11'>{title} by stage</text>"]
    parts += [
        f"<line x1='{left}' x2='{width}' y1='{y:.1f}' y2='{y:.1f}' stroke='#8886'/>"
        f"<text x='{left - 4}' y='{y + 4:.1f}' text-anchor='end'>{level:g}</text>"
        for level in (0, 0.5, 1)
        for y in [bottom - level * (bottom - top)]
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(f"<polyline points='{path}' fill='none' stroke='currentColor' stroke-width='2'/>")
    for k, (x, y) in enumerate(points):
        fill = story.colors[row] if k == stage else "white"
        parts.append(
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='{fill}' stroke='currentColor'/>"
            f"<text x='{x:.1f}' y='{height - 5}' text-anchor='middle'>{_short(names[k])}</text>"
        )
    return (
        f"<svg width='{width}' height='{height}' font-family='sans-serif' font-size='11' "
        f"fill='currentColor'>{''.join(parts)}</svg>"
    )


def _short(name: str) -> str:
    return {"proposals": "prop.", "final": "final"}.get(name, name.replace("stage ", ""))
