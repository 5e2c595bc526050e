"""Pictures of detections, as matplotlib Figures made without pyplot: nothing has to be closed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cascadekit.errors import InputError
from cascadekit.structures.masks import paste
from cascadekit.structures.samples import Detections
from cascadekit.visualization.canvas import (
    add_labels,
    add_panel,
    check_image,
    color_of,
    new_figure,
    outline,
    points,
)
from cascadekit.whole_file import whole_file


def draw_detections(
    image: np.ndarray,
    detections: Detections,
    classes: Sequence[str],
    score_threshold: float = 0.3,
    max_detections: int = 100,
    color_by: str = "class",
    size: int = 1200,
) -> Figure:
    """Boxes, translucent masks and labels on one picture.

    Args:
        image: (H, W, 3) uint8 RGB, the picture as on disk.
        detections: D objects in pixels of `image`, best first; D may be 0.
        classes: K names; `detections.labels` index them.
        score_threshold: objects below are left out.
        max_detections: at most so many, the best.
        color_by: "class" gives each class its colour, "object" each object.
        size: of the figure's longer side, pixels.

    Returns:
        A figure with one axes labelled "detections". A label that finds no free place is left out.

    Raises:
        InputError: the image is of another kind, a label has no name, or `color_by` is neither.
    """
    height, width = check_image(image)
    if color_by not in ("class", "object"):
        raise InputError(f"color_by must be 'class' or 'object', got {color_by!r}")
    shown = best_detections(detections, score_threshold, max_detections)
    names = class_names(shown, classes)
    numbers = shown.labels.tolist() if color_by == "class" else range(len(shown))
    colors = [color_of(number) for number in numbers]
    masks = np.zeros((0, height, width), np.uint8)
    if shown.mask_probs is not None and len(shown):
        masks = paste(shown.mask_probs, shown.boxes.float().cpu(), height, width).to_bitmaps()
        masks = masks.numpy()
    # At least one figure pixel, however narrow the picture.
    scale = size / max(height, width)
    place = (0.0, 0.0, max(width * scale, 1.0), max(height * scale, 1.0))
    figure = new_figure(*place[2:])
    axes = add_panel(figure, _tint(image, masks, colors), place, "detections")
    for mask, color in zip(masks, colors, strict=False):
        _trace(axes, mask, color)
    boxes = shown.boxes.tolist()
    # The best object last, so that its outline is on top; labels choose places best first.
    for box, color in reversed(list(zip(boxes, colors, strict=True))):
        outline(axes, box, color)
    texts = [f"{n} {s:.2f}" for n, s in zip(names, shown.scores.tolist(), strict=True)]
    add_labels(axes, boxes, texts, colors)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str], scale: float = 1.0) -> None:
    """Write a figure as PNG, whole or not at all; folders are made.

    Args:
        figure: any matplotlib figure.
        path: of the file, ending in `.png`.
        scale: pixels of the file per figure pixel, e.g. 2 for screens of high density.

    Raises:
        InputError: the path has another ending.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise InputError(f"figures are written as PNG: {target} must end in .png")
    with whole_file(target) as passing:
        figure.savefig(passing, format="png", dpi=figure.dpi * scale)


def best_detections(detections: Detections, score_threshold: float, most: int) -> Detections:
    """The best `most` of the objects that reach a score."""
    return detections[detections.scores >= score_threshold][slice(most)]


def class_names(detections: Detections, classes: Sequence[str]) -> list[str]:
    """Name of each of D objects.

    Args:
        detections: D objects; D may be 0.
        classes: K names.

    Returns:
        D names.

    Raises:
        InputError: a label is beyond the classes.
    """
    labels = detections.labels.tolist()
    for label in labels:
        if not 0 <= label < len(classes):
            raise InputError(
                f"a detection has label {label}, but there are {len(classes)} class names "
                f"(0 to {len(classes) - 1}): are they those of the detector's data set?"
            )
    return [str(classes[label]) for label in labels]


def _tint(image: np.ndarray, masks: np.ndarray, colors: Sequence[str]) -> np.ndarray:
    """Lay translucent colour over the pixels of each mask, the best object on top."""
    tinted = image.astype(np.float32)
    for mask, color in reversed(list(zip(masks, colors, strict=False))):
        inside = mask > 0
        tinted[inside] = 0.6 * image[inside] + 0.4 * 255 * np.array(to_rgb(color), np.float32)
    return tinted.round().astype(np.uint8)


def _trace(axes: Axes, mask: np.ndarray, color: str) -> None:
    """Draw the edge of one (H, W) bitmap."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return
    top, left = max(rows.min() - 1, 0), max(columns.min() - 1, 0)
    # One empty pixel on each side closes the line at the picture's border.
    crop = np.pad(mask[top : rows.max() + 2, left : columns.max() + 2], 1)
    x = left - 0.5 + np.arange(crop.shape[1])
    y = top - 0.5 + np.arange(crop.shape[0])
    axes.contour(x, y, crop, levels=[0.5], colors=[color], linewidths=points(1.6))
