"""Figure 1: the same pictures through several detectors, and boxes of rising quality."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadekit.errors import InputError
from cascadekit.experiments.experiment import Experiment
from cascadekit.experiments.layout_curves import Drawing
from cascadekit.experiments.measured_pictures import some_pictures
from cascadekit.experiments.readout import View
from cascadekit.quality.records import Recording
from cascadekit.visualization.canvas import (
    QUIET,
    add_labels,
    add_panel,
    new_figure,
    outline,
    outline_truth,
    write,
)

# From which IoU with an object of its class a box has which colour; below all is a miss.
GRADES = ((0.7, "#00B88A", "IoU 0.7 or more"), (0.5, "#E69F00", "0.5 to 0.7"))
MISS = ("#E8601C", "below 0.5, or of another class")
QUALITIES = (0.5, 0.6, 0.7, 0.8, 0.9)
CELL = 210  # figure pixels of a picture's longer side
GAP, HEAD, SIDE = 8, 34, 140
CROWDED = 6  # detections
LEGEND = 640  # figure pixels that the line on colours takes


def pictures(experiment: Experiment, view: View) -> list[Drawing]:
    """A grid of detectors and pictures for each data set, and one object in boxes of rising IoU."""
    drawings = []
    for data in view.data_of(experiment):
        by_row = {}
        for row in experiment.rows:
            values = view.values(row, "pictures", data)
            if values and values[min(values)]:
                by_row[row.label] = values[min(values)]  # of the first seed
        pixels = _pixels(experiment, view, data)
        if by_row and pixels:
            name = f"{experiment.name}_{data.replace(' ', '_')}"
            drawings.append(_grid(f"{name}_pictures", data, by_row, pixels))
            drawings += _rising(f"{name}_quality", data, by_row, pixels)
    return drawings


def detection_grid(
    recordings: Mapping[str, Recording], count: int = 4, least_score: float = 0.3
) -> Figure:
    """The same pictures through several detectors, as Figure 1 has them.

    Args:
        recordings: name of a detector -> what it did; all on the same images. At least one.
        count: pictures: the first with one to six objects.
        least_score: of the boxes that are drawn.

    Returns:
        A row per detector, a column per picture; boxes in the colour of their IoU with the truth.
    """
    by_row = {name: some_pictures(own, count, least_score) for name, own in recordings.items()}
    columns = next(iter(by_row.values()))
    pixels = {place: from_jpeg(each["jpeg"]) for place, each in enumerate(columns)}
    return _grid("detections", "", by_row, pixels).figure


def _pixels(experiment: Experiment, view: View, data: str) -> dict[int, np.ndarray]:
    """Place -> (H, W, 3) uint8 RGB; every detector has the same pictures in the same order."""
    found: dict[int, np.ndarray] = {}
    for row in experiment.rows:
        for values in view.values(row, "pictures", data).values():
            for place, picture in enumerate(values):
                if picture.get("jpeg") and place not in found:
                    found[place] = from_jpeg(picture["jpeg"])
    return dict(sorted(found.items()))


def from_jpeg(text: str) -> np.ndarray:
    """Pixels of a stored picture.

    Args:
        text: base64 of a JPEG.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: it is no picture.
    """
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except ValueError:
        image = None
    if image is None:
        raise InputError("a stored picture cannot be read; measure `pictures` again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _grid(
    name: str,
    data: str,
    by_row: Mapping[str, Sequence[Mapping[str, Any]]],
    pixels: Mapping[int, np.ndarray],
) -> Drawing:
    """Detectors from top to bottom, pictures from left to right."""
    shapes = [_fitted(image) for image in pixels.values()]
    height = max(h for _, h in shapes)
    width = max(SIDE + sum(w + GAP for w, _ in shapes), LEGEND)
    figure = new_figure(width, HEAD + len(by_row) * (height + GAP))
    x = float(SIDE)
    for color, text in (*((c, t) for _, c, t in GRADES), MISS):
        write(figure, x, HEAD / 2, f"■ {text}", 13, color=color)
        x += 30 + 7.5 * len(text)
    write(figure, 8, HEAD / 2, "- - truth", 13, color=QUIET)
    for r, (label, values) in enumerate(by_row.items()):
        y, x = HEAD + r * (height + GAP), float(SIDE)
        write(figure, 8, y + height / 2, label, 13, bold=True)
        for (place, image), (w, h) in zip(pixels.items(), shapes, strict=True):
            if place < len(values):
                axes = add_panel(figure, image, (x, y, w, h), f"{label}, {place}")
                _draw_found(axes, values[place], image)
            x += w + GAP
    caption = (
        f"The same {len(pixels)} val pictures of {data} through each detector, first seed. The "
        "number is the IoU with the best object of the same class. The pictures were chosen by "
        "their ground truth alone."
    )
    return Drawing(name, figure, caption, photo=True)


def _fitted(image: np.ndarray) -> tuple[float, float]:
    """Width and height in figure pixels."""
    height, width = image.shape[:2]
    factor = CELL / max(height, width)
    return width * factor, height * factor


def _draw_found(axes: Axes, picture: Mapping[str, Any], pixels: np.ndarray) -> None:
    """Boxes in the colour of their IoU, with truth dashed."""
    scale = _scale(picture, pixels)
    for truth in picture["truth"]:
        outline_truth(axes, _scaled(truth["box"], scale))
    found = sorted(picture["found"], key=lambda each: -each["score"])
    colors = [_grade(each["iou"]) for each in found]
    boxes = [_scaled(each["box"], scale) for each in found]
    for box, color in reversed(list(zip(boxes, colors, strict=True))):
        outline(axes, box, color, 2.0)
    # Where plates would cover the picture, only boxes that are not tight have one.
    shown = [
        i for i, each in enumerate(found) if len(found) <= CROWDED or each["iou"] < GRADES[0][0]
    ]
    texts = [f"{found[i]['iou']:.2f}" for i in shown]
    add_labels(axes, [boxes[i] for i in shown], texts, [colors[i] for i in shown], 11)


def _grade(iou: float) -> str:
    """The colour of an IoU."""
    return next((color for least, color, _ in GRADES if iou >= least), MISS[0])


def _scale(picture: Mapping[str, Any], pixels: np.ndarray) -> tuple[float, float]:
    """From the frame of the boxes to the stored pixels, y and x."""
    height, width = picture["size"]
    return pixels.shape[0] / height, pixels.shape[1] / width


def _scaled(box: Sequence[float], scale: tuple[float, float]) -> tuple[float, ...]:
    y, x = scale
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def shifted(box: Sequence[float], quality: float) -> tuple[float, ...]:
    """A box moved along its diagonal so that its IoU with where it was is `quality`.

    Args:
        box: xyxy, not empty.
        quality: in (0, 1].

    Returns:
        xyxy. Moved by a share a of both sides, what overlaps is (1 - a)^2 =: s of the box, and the
        IoU s / (2 - s).
    """
    share = 1 - math.sqrt(2 * quality / (1 + quality))
    x, y = share * (box[2] - box[0]), share * (box[3] - box[1])
    return box[0] - x, box[1] - y, box[2] - x, box[3] - y


def _rising(
    name: str,
    data: str,
    by_row: Mapping[str, Sequence[Mapping[str, Any]]],
    pixels: Mapping[int, np.ndarray],
) -> list[Drawing]:
    """An object of the stored pictures in boxes of five IoUs."""
    candidates = [
        (_area(truth["box"]) / _area((0, 0, *picture["size"])), place, picture, truth["box"])
        for place, picture in enumerate(next(iter(by_row.values())))
        for truth in picture["truth"]
        if place in pixels and _area(truth["box"]) > 0
    ]
    # The largest that leaves room for boxes beside it.
    fitting = [c for c in candidates if c[0] < 0.3] or candidates
    if not fitting:
        return []
    _, place, picture, box = max(fitting, key=lambda c: c[0])
    shown, scale = pixels[place], _scale(picture, pixels[place])
    w, h = _fitted(shown)
    figure = new_figure(len(QUALITIES) * (w + GAP), HEAD + h)
    for i, quality in enumerate(QUALITIES):
        x = i * (w + GAP)
        write(figure, x + w / 2, HEAD / 2, f"IoU {quality:g}", 14, bold=True, align="center")
        axes = add_panel(figure, shown, (x, HEAD, w, h), f"{quality:g}")
        outline_truth(axes, _scaled(box, scale))
        outline(axes, _scaled(shifted(box, quality), scale), _grade(quality), 2.0)
    caption = f"What an IoU looks like: an object of {data} (dashed) and boxes moved off it."
    return [Drawing(name, figure, caption, photo=True)]


def _area(box: Sequence[float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
