"""Vehicles, people and faces, drawn; each fills its rectangle from side to side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cascadekit.datasets.shape_painting import to_bgr

Rng = np.random.Generator
Points = Sequence[tuple[float, float]]
SUPERSAMPLING = 4
PEDESTRIAN_ASPECT = 0.41  # width / height of every full box of CityPersons
FACE_ASPECT = 0.78


@dataclass(frozen=True)
class Figure:
    """One object before it is put into a picture.

    Attributes:
        paint: (h, w, 3) float32, BGR, 0..255.
        alpha: (h, w) float32 in [0, 1], how much of each pixel it covers.
    """

    paint: np.ndarray
    alpha: np.ndarray


class _Canvas:
    """A rectangle to draw on, in parts of its width and height from 0 to 1."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        shape = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        self.paint = np.zeros((*shape, 3), np.uint8)
        self.alpha = np.zeros(shape, np.uint8)

    def _fixed(self, points: Points) -> np.ndarray:
        scale = np.array([self.paint.shape[1], self.paint.shape[0]], np.float64)
        # -0.5: OpenCV's whole numbers are pixel centres.
        return np.round((np.array(points) * scale - 0.5) * 16).astype(np.int32)

    def polygon(self, points: Points, colour: np.ndarray) -> None:
        fixed = self._fixed(points)
        cv2.fillPoly(self.paint, [fixed], colour.tolist(), shift=4)
        cv2.fillPoly(self.alpha, [fixed], 255, shift=4)

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], colour: np.ndarray
    ) -> None:
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        x, y = centre[0] + radii[0] * np.cos(turn), centre[1] + radii[1] * np.sin(turn)
        self.polygon(list(zip(x.tolist(), y.tolist(), strict=True)), colour)

    def figure(self, rng: Rng) -> Figure:
        """What was drawn, with an uneven surface; mirrored or not."""
        paint = cv2.resize(self.paint, self.size, interpolation=cv2.INTER_AREA).astype(np.float32)
        alpha = cv2.resize(self.alpha, self.size, interpolation=cv2.INTER_AREA) / np.float32(255)
        # Colours at the border are mixed with the canvas, which is black: take that out.
        paint /= np.maximum(alpha, 1 / 255)[..., None]
        cells = rng.uniform(0.85, 1.15, (3, 3)).astype(np.float32)
        paint *= cv2.resize(cells, self.size, interpolation=cv2.INTER_CUBIC)[..., None]
        if rng.random() < 0.5:
            paint, alpha = paint[:, ::-1], alpha[:, ::-1]
        return Figure(np.clip(paint, 0, 255), np.ascontiguousarray(alpha))


def _colour(rng: Rng, low: float = 0.2, high: float = 0.9) -> np.ndarray:
    return to_bgr(rng.uniform(0, 1), rng.uniform(0.1, 0.7), rng.uniform(low, high))


def _box(x1: float, y1: float, x2: float, y2: float) -> Points:
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def vehicle(rng: Rng, name: str, width: int, height: int) -> Figure:
    """A car, van or truck from the side, or from behind where it is not long.

    Args:
        rng: source of randomness.
        name: "Car", "Van" or "Truck".
        width: pixels.
        height: pixels.

    Returns:
        The figure, whose outermost parts touch all sides.
    """
    canvas = _Canvas(width, height)
    body, glass = _colour(rng), to_bgr(0.6, 0.3, rng.uniform(0.1, 0.35))
    tyre = to_bgr(0, 0, rng.uniform(0.05, 0.15))
    shoulder = {"Car": rng.uniform(0.38, 0.48), "Van": 0.3, "Truck": 0.02}[name]
    if width < 1.6 * height:  # from behind
        slope = 0.16 if name == "Car" else 0.03
        canvas.polygon(_box(0.06, 0.75, 0.24, 1), tyre)
        canvas.polygon(_box(0.76, 0.75, 0.94, 1), tyre)
        canvas.polygon([(slope, 0), (1 - slope, 0), (1, shoulder), (0, shoulder)], body)
        canvas.polygon(_box(0, shoulder, 1, 0.88), body)
        canvas.polygon([(slope + 0.04, 0.07), (0.96 - slope, 0.07), (0.9, 0.4), (0.1, 0.4)], glass)
        for x in (0.04, 0.84):
            canvas.polygon(_box(x, 0.52, x + 0.12, 0.62), to_bgr(0, 0.8, rng.uniform(0.5, 0.9)))
        return canvas.figure(rng)
    front = {"Car": 0.2, "Van": 0.08, "Truck": 0.0}[name] + rng.uniform(0, 0.06)
    back = {"Car": 0.14, "Van": 0.01, "Truck": 0.0}[name]
    roof = [(front + 0.12, 0), (1 - back - 0.06, 0), (1 - back, shoulder), (front, shoulder)]
    canvas.polygon(roof, body)
    canvas.polygon(_box(0, shoulder, 1, 0.84), body)
    if name == "Truck":
        canvas.polygon(_box(0, 0, 0.2, 0.84), _colour(rng))
        canvas.polygon(_box(0.03, 0.12, 0.16, 0.4), glass)
    else:
        top, low, middle, end = 0.07, shoulder - 0.02, rng.uniform(0.45, 0.6), 0.92 - back
        first = [(front + 0.14, top), (middle, top), (middle, low), (front + 0.05, low)]
        second = [(middle + 0.03, top), (end, top), (end + 0.03, low), (middle + 0.03, low)]
        canvas.polygon(first, glass)
        canvas.polygon(second, glass)
    radius = 0.17
    for x in (rng.uniform(0.15, 0.2), rng.uniform(0.78, 0.84)):
        across = radius * height / width
        canvas.ellipse((x, 1 - radius), (across, radius), tyre)
        canvas.ellipse((x, 1 - radius), (across / 2, radius / 2), to_bgr(0, 0, 0.6))
    return canvas.figure(rng)


def person(rng: Rng, width: int, height: int, sitting: bool = False) -> Figure:
    """Somebody who stands or walks, or sits.

    Args:
        rng: source of randomness.
        width: pixels.
        height: pixels.
        sitting: with bent legs.

    Returns:
        The figure; head and feet touch the upper and lower side, and arms or legs come near the
        others.
    """
    canvas = _Canvas(width, height)
    skin = to_bgr(0.07, 0.45, rng.uniform(0.35, 0.9))
    hair = to_bgr(0.08, 0.5, rng.uniform(0.1, 0.4))
    shirt, trousers = _colour(rng), _colour(rng, 0.1, 0.5)
    step, swing = rng.uniform(0.05, 0.3), rng.uniform(0.22, 0.36)
    across = 0.065 * height / width
    hip = 0.62 if sitting else 0.52
    if sitting:
        thigh = [(0.3, hip - 0.1), (0.98, hip), (0.98, hip + 0.12), (0.3, hip + 0.1)]
        canvas.polygon(thigh, trousers)
        canvas.polygon(_box(0.82, hip, 0.98, 1), trousers)
    else:
        for side in (-1, 1):
            foot = 0.5 + side * step
            leg = [(0.36, hip - 0.04), (0.64, hip - 0.04), (foot + 0.13, 1), (foot - 0.13, 1)]
            canvas.polygon(leg, trousers)
    for side in (-1, 1):
        hand = 0.5 + side * swing
        shoulder = 0.5 + side * 0.2
        upper = [(shoulder - 0.08, 0.16), (shoulder + 0.08, 0.16)]
        canvas.polygon([*upper, (hand + 0.07, 0.5), (hand - 0.07, 0.5)], shirt * 0.85)
        canvas.ellipse((hand, 0.51), (across * 0.4, 0.025), skin)
    canvas.polygon([(0.28, 0.14), (0.72, 0.14), (0.68, hip + 0.02), (0.32, hip + 0.02)], shirt)
    canvas.ellipse((0.5, 0.065), (across, 0.065), hair)
    canvas.ellipse((0.5, 0.08), (across * 0.8, 0.05), skin)
    return canvas.figure(rng)


def face(rng: Rng, width: int, height: int) -> Figure:
    """A face with hair; its box is from forehead to chin, so hair is not drawn outside.

    Args:
        rng: source of randomness.
        width: pixels.
        height: pixels.

    Returns:
        The figure.
    """
    canvas = _Canvas(width, height)
    skin = to_bgr(rng.uniform(0.04, 0.1), rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.95))
    dark = skin * 0.35
    turn = rng.uniform(-0.12, 0.12)
    canvas.ellipse((0.5, 0.5), (0.5, 0.5), skin)
    hair = to_bgr(0.08, 0.6, rng.uniform(0.08, 0.4))
    line = rng.uniform(0.12, 0.2)
    canvas.polygon([(0.2, line), (0.3, 0.05), (0.5, 0), (0.7, 0.05), (0.8, line)], hair)
    for side in (-1, 1):
        canvas.ellipse((0.5 + turn + side * 0.2, 0.42), (0.08, 0.04), dark)
    canvas.polygon([(0.5 + turn, 0.45), (0.44 + turn, 0.62), (0.56 + turn, 0.62)], skin * 0.75)
    canvas.ellipse((0.5 + turn, 0.76), (0.16, rng.uniform(0.02, 0.06)), to_bgr(0, 0.6, 0.5))
    return canvas.figure(rng)
