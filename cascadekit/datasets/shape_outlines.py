"""Outlines of the drawn classes: polygons whose thin ends set the bounding box.

An outline is a list of (P, 2) float64 polygons in units of half the object's length, centred near
0, y downwards; the union of them is the object.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Outline = list[np.ndarray]
Rng = np.random.Generator


def _spikes(tips: np.ndarray, inner: float, phase: float) -> np.ndarray:
    """Star polygon: one tip per radius in `tips`, valleys at radius `inner`."""
    count = len(tips)
    angles = phase + np.arange(2 * count) * np.pi / count
    radii = np.full(2 * count, inner)
    radii[0::2] = tips
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def _bar(start: tuple[float, float], end: tuple[float, float], width: float) -> np.ndarray:
    """Rectangle of the given width from one point to another."""
    a, b = np.array(start), np.array(end)
    along = (b - a) / np.linalg.norm(b - a)
    side = np.array([-along[1], along[0]]) * width / 2
    return np.stack([a + side, b + side, b - side, a - side])


def _head(tip: float, length: float, half: float) -> np.ndarray:
    """Barbed arrow head on the x axis with its tip at `tip`, pointing away from 0."""
    back = tip - np.sign(tip) * length
    notch = tip - np.sign(tip) * length * 0.7
    return np.array([[tip, 0], [back, half], [notch, 0], [back, -half]])


def star(rng: Rng, thin: float, least: float) -> Outline:
    """Five long tips of unlike length."""
    tips = rng.uniform(0.78, 1.0, 5)
    return [_spikes(tips, max(0.45 - 0.26 * thin, 2 * least), 0.0)]


def burst(rng: Rng, thin: float, least: float) -> Outline:
    """A disc with eight narrow spikes of unlike length."""
    tips = rng.uniform(0.72, 1.0, 8)
    inner = max(0.56 - 0.12 * thin, 2 * least)
    disc = _spikes(np.full(16, inner), inner, 0.0)
    return [_spikes(tips, inner * 0.8, 0.0), disc]


def arrow(rng: Rng, thin: float, least: float) -> Outline:
    """A shaft with one barbed head."""
    width = max(0.24 - 0.16 * thin, least)
    half, length = rng.uniform(0.4, 0.6), rng.uniform(0.55, 0.75)
    return [_bar((-1.0, 0.0), (0.7, 0.0), width), _head(1.0, length, half)]


def double_arrow(rng: Rng, thin: float, least: float) -> Outline:
    """A shaft with a barbed head at both ends; differs from `arrow` in that detail only."""
    width = max(0.24 - 0.16 * thin, least)
    heads = [_head(end, rng.uniform(0.5, 0.7), rng.uniform(0.4, 0.6)) for end in (-1.0, 1.0)]
    return [_bar((-0.7, 0.0), (0.7, 0.0), width), *heads]


def crescent(rng: Rng, thin: float, least: float) -> Outline:
    """A moon: an outer arc and a flatter inner one that meet in two horns."""
    opening = rng.uniform(0.5, 0.75)  # of the horns, radians from the axis
    depth = max(rng.uniform(0.6, 0.75) - 0.2 * thin, 4 * least)
    outer = np.linspace(opening, 2 * np.pi - opening, 48)
    horn = np.array([np.cos(opening), np.sin(opening)])
    # Inner arc through both horns and the point `depth` right of the outer arc's left end.
    left = -1.0 + depth
    centre = (horn @ horn - left**2) / (2 * (horn[0] - left))
    radius = abs(centre - left)
    turn = np.arctan2(horn[1], horn[0] - centre)
    inner = np.linspace(2 * np.pi - turn, turn, 48)
    arcs = [
        np.stack([np.cos(outer), np.sin(outer)], 1),
        np.stack([centre + radius * np.cos(inner), radius * np.sin(inner)], 1),
    ]
    return [np.concatenate(arcs)]


def comb(rng: Rng, thin: float, least: float) -> Outline:
    """A spine with narrow teeth of unlike length on one side."""
    count = int(rng.integers(4, 7))
    width = max(0.17 - 0.09 * thin, least)
    places = np.linspace(-0.9, 0.9, count)
    ends = rng.uniform(0.2, 0.85, count)
    ends[rng.integers(count)] = 0.9
    spine = _bar((-1.0, -0.45), (1.0, -0.45), max(0.3 - 0.08 * thin, 2 * least))
    return [spine, *(_bar((x, -0.45), (x, y), width) for x, y in zip(places, ends, strict=True))]


OUTLINES: dict[str, Callable[[Rng, float, float], Outline]] = {
    "star": star,
    "burst": burst,
    "arrow": arrow,
    "double_arrow": double_arrow,
    "crescent": crescent,
    "comb": comb,
}


def place(outline: Outline, length: float, angle: float, stretch: float) -> Outline:
    """Scale, stretch and turn an outline, and shift it so that its bounding box starts at 0.

    Args:
        outline: polygons in units of half the object's length.
        length: of the bounding box's longer side, pixels.
        angle: radians.
        stretch: y is multiplied by it before the turn.

    Returns:
        Polygons in pixels, least x and least y 0.
    """
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = [(polygon * (1.0, stretch)) @ turn for polygon in outline]
    points = np.concatenate(moved)
    low = points.min(0)
    factor = length / (points.max(0) - low).max()
    return [(polygon - low) * factor for polygon in moved]
