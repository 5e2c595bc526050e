"""Pictures of streets and crowds, drawn; what is in them is known as benchmarks note it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cascadekit.datasets.drawn_figures import (
    FACE_ASPECT,
    PEDESTRIAN_ASPECT,
    Figure,
    Rng,
    face,
    person,
    vehicle,
)
from cascadekit.datasets.shape_painting import background, to_bgr

Box = tuple[float, float, float, float]
LEAST_VISIBLE = 0.25  # of what lies in the picture; more is never hidden


@dataclass(frozen=True)
class Drawn:
    """One object of a picture.

    Attributes:
        name: of its class.
        box: x1, y1, x2, y2, all of it; may stick out of the picture.
        visible_box: x1, y1, x2, y2 of the part that is seen; of an object that nothing hides, the
            part of `box` that lies in the picture.
        visible: share of what lies in the picture that is seen, 0..1.
        inside: share of its box that lies in the picture, 0..1.
        blur: 0, 1 or 2.
    """

    name: str
    box: Box
    visible_box: Box
    visible: float
    inside: float
    blur: int = 0


@dataclass(frozen=True)
class Picture:
    """A drawn picture.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        objects: back to front; may be empty.
    """

    image: np.ndarray
    objects: tuple[Drawn, ...]


@dataclass(frozen=True)
class _Planned:
    """An object to be drawn at whole pixels (x, y)."""

    name: str
    figure: Figure
    x: int
    y: int
    blur: int = 0

    def mask(self, height: int, width: int) -> np.ndarray:
        """(height, width) float32: how much of each pixel of the picture it covers."""
        whole = np.zeros((height, width), np.float32)
        rows, columns, part = self.places(height, width)
        whole[rows, columns] = self.figure.alpha[part]
        return whole

    def places(self, height: int, width: int) -> tuple[slice, slice, tuple[slice, slice]]:
        """Rows and columns of the picture, and the part of the figure that lies there."""
        tall, wide = self.figure.alpha.shape
        top, left = max(self.y, 0), max(self.x, 0)
        bottom, right = max(min(self.y + tall, height), top), max(min(self.x + wide, width), left)
        part = (slice(top - self.y, bottom - self.y), slice(left - self.x, right - self.x))
        return slice(top, bottom), slice(left, right), part


def _bounds(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1


def _compose(
    rng: Rng, canvas: np.ndarray, wanted: Sequence[Callable[[], _Planned]], tries: int = 3
) -> Picture:
    """Put objects into a picture, the later ones in front.

    Args:
        rng: source of randomness.
        canvas: (H, W, 3) float32, what lies behind; drawn on.
        wanted: each proposes an object; one that would hide too much, or that nothing would be
            seen of, is proposed anew and in the end given up.
        tries: proposals for each.

    Returns:
        The picture.
    """
    height, width = canvas.shape[:2]
    plans: list[_Planned] = []
    seen: list[np.ndarray] = []
    whole: list[np.ndarray] = []
    for propose in wanted:
        for _ in range(tries):
            plan = propose()
            mask = plan.mask(height, width) >= 0.5
            left = [part & ~mask for part in seen]
            shares = [part.sum() / all_of.sum() for part, all_of in zip(left, whole, strict=True)]
            if mask.sum() >= 4 and all(share >= LEAST_VISIBLE for share in shares):
                plans.append(plan)
                seen = [*left, mask]
                whole.append(mask)
                break
    for plan in plans:
        rows, columns, part = plan.places(height, width)
        alpha = plan.figure.alpha[part][..., None]
        canvas[rows, columns] += (plan.figure.paint[part] - canvas[rows, columns]) * alpha
    canvas += (rng.standard_normal((height, width), np.float32) * 4)[..., None]
    found = []
    for plan, part, all_of in zip(plans, seen, whole, strict=True):
        tall, wide = plan.figure.alpha.shape
        box = (plan.x, plan.y, plan.x + wide, plan.y + tall)
        rows, columns, _ = plan.places(height, width)
        kept = (columns.start, rows.start, columns.stop, rows.stop)
        inside = (kept[2] - kept[0]) * (kept[3] - kept[1]) / (tall * wide)
        # Figures may be slimmer than their boxes: only a side that something hides is moved.
        sides = zip(_bounds(part), _bounds(all_of), kept, strict=True)
        visible = tuple(own if own != before else side for own, before, side in sides)
        share = float(part.sum() / all_of.sum())
        found.append(Drawn(plan.name, box, visible, share, inside, plan.blur))  # type: ignore[arg-type]
    image = np.clip(np.round(canvas), 0, 255).astype(np.uint8)
    return Picture(image, tuple(found))


def _street(rng: Rng, width: int, height: int, horizon: float) -> np.ndarray:
    """Houses above a road, (height, width, 3) float32."""
    canvas = background(rng, max(width, height), rng.uniform(0, 1), rng.uniform(0.4, 0.7), 0.35)
    canvas = np.ascontiguousarray(canvas[:height, :width])
    road = to_bgr(rng.uniform(0, 1), 0.08, rng.uniform(0.3, 0.55))
    edge = int(horizon * height)
    shade = np.linspace(0.85, 1.1, height - edge, dtype=np.float32)[:, None, None]
    canvas[edge:] = 0.25 * canvas[edge:] + 0.75 * road * shade
    return canvas


def draw_road(rng: Rng, width: int, height: int) -> Picture:
    """Cars, vans and trucks on a road, nearer ones larger and lower; and some far away.

    Args:
        rng: source of randomness.
        width: pixels.
        height: pixels.

    Returns:
        The picture; objects are called Car, Van, Truck, or DontCare for those far away.
    """
    horizon = rng.uniform(0.35, 0.45)
    canvas = _street(rng, width, height, horizon)

    def propose(near: float, name: str) -> _Planned:
        tall = int((0.08 + 0.5 * near**1.6) * height * (1.5 if name == "Truck" else 1))
        long = rng.uniform(0.9, 1.2) if rng.random() < 0.45 else rng.uniform(1.9, 2.6)
        wide = int(tall * long * (1.0 if name == "Car" else 0.85))
        ground = horizon + 0.06 + (0.9 - horizon) * near
        x = int(rng.uniform(-0.3 * wide, width - 0.7 * wide))
        y = int(ground * height) - tall
        return _Planned(name, vehicle(rng, name, max(wide, 4), max(tall, 4)), x, y)

    def far() -> _Planned:
        tall = int(rng.integers(6, 11))
        figure = vehicle(rng, "Car", int(tall * rng.uniform(1, 2.2)), tall)
        y = int(horizon * height) + int(rng.integers(-3, 4))
        return _Planned("DontCare", figure, int(rng.integers(0, width - 20)), y)

    names = rng.choice(("Car", "Van", "Truck"), int(rng.integers(1, 8)), p=(0.75, 0.15, 0.1))
    depth = np.sort(rng.uniform(0, 1, len(names)))
    wanted = [far] * int(rng.integers(0, 4))
    wanted += [
        (lambda near=near, name=name: propose(near, name))  # type: ignore[misc]
        for near, name in zip(depth.tolist(), names.tolist(), strict=True)
    ]
    return _compose(rng, canvas, wanted)


def draw_pavement(rng: Rng, width: int, height: int) -> Picture:
    """People in a street, some behind cars or each other.

    Args:
        rng: source of randomness.
        width: pixels.
        height: pixels.

    Returns:
        The picture; objects are called as CityPersons has them ("pedestrian", "sitting person",
        "person group"), or "car" for what only hides people.
    """
    horizon = rng.uniform(0.35, 0.5)
    canvas = _street(rng, width, height, horizon)

    def propose(near: float, name: str) -> _Planned:
        tall = int((0.08 + 0.5 * near**1.5) * height)
        ground = int((horizon + 0.05 + (0.93 - horizon) * near) * height)
        if name == "car":
            tall = max(int(0.55 * tall), 6)
            figure = vehicle(rng, "Car", int(2.2 * tall), tall)
        elif name == "person group":
            figure = _group(rng, tall)
        else:
            sitting = name == "sitting person"
            tall = int(0.7 * tall) if sitting else tall
            wide = max(int(PEDESTRIAN_ASPECT * tall * (1.5 if sitting else 1) + 0.5), 3)
            figure = person(rng, wide, max(tall, 6), sitting)
        tall, wide = figure.alpha.shape
        x = int(rng.uniform(-0.2 * wide, width - 0.8 * wide))
        return _Planned(name, figure, x, ground - tall)

    kinds = ("pedestrian", "sitting person", "person group", "car")
    names = rng.choice(kinds, int(rng.integers(1, 14)), p=(0.6, 0.07, 0.07, 0.26))
    depth = np.sort(rng.uniform(0, 1, len(names)))
    wanted = [
        (lambda near=near, name=name: propose(near, name))  # type: ignore[misc]
        for near, name in zip(depth.tolist(), names.tolist(), strict=True)
    ]
    return _compose(rng, canvas, wanted)


def _group(rng: Rng, tall: int) -> Figure:
    """Three people so close that they are not told apart."""
    tall = max(tall, 8)
    each = max(int(PEDESTRIAN_ASPECT * tall), 3)
    wide = int(each * 1.9)
    paint = np.zeros((tall, wide, 3), np.float32)
    alpha = np.zeros((tall, wide), np.float32)
    for x in (0, wide - each, (wide - each) // 2):
        one = person(rng, each, tall)
        part = slice(x, x + each)
        cover = one.alpha[..., None]
        paint[:, part] += (one.paint - paint[:, part]) * cover
        alpha[:, part] = np.maximum(alpha[:, part], one.alpha)
    return Figure(paint, alpha)


def draw_crowd(rng: Rng, width: int, height: int) -> Picture:
    """Faces of all sizes; every eighth picture has none.

    Args:
        rng: source of randomness.
        width: pixels.
        height: pixels.

    Returns:
        The picture; objects are called "face".
    """
    canvas = background(rng, max(width, height), rng.uniform(0, 1), rng.uniform(0.35, 0.7), 0.5)
    canvas = np.ascontiguousarray(canvas[:height, :width])
    if rng.random() < 0.125:
        return _compose(rng, canvas, [])
    largest = rng.uniform(0.1, 0.5) * min(width, height)

    def propose(tall: int) -> _Planned:
        wide = max(int(tall * FACE_ASPECT * rng.uniform(0.85, 1.1)), 4)
        figure = face(rng, wide, tall)
        blur = int(rng.choice((0, 1, 2), p=(0.6, 0.25, 0.15)))
        if blur:
            side = 2 * max(round(blur * tall / 24), 1) + 1
            figure = Figure(cv2.blur(figure.paint, (side, side)), figure.alpha)
        x = int(rng.uniform(-0.1 * wide, width - 0.9 * wide))
        y = int(rng.uniform(-0.05 * tall, height - 0.95 * tall))
        return _Planned("face", figure, x, y, blur)

    sizes = np.sort(np.exp(rng.uniform(np.log(6), np.log(largest), int(rng.integers(1, 14)))))
    wanted = [
        (lambda tall=int(size): propose(max(tall, 5)))  # type: ignore[misc]
        for size in sizes
    ]
    return _compose(rng, canvas, wanted)
