"""Colours, textures and clutter of the drawn pictures."""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator
Part = tuple[slice, slice]  # rows and columns of the picture
WHOLE: Part = (slice(None), slice(None))


def smooth_noise(rng: Rng, size: int, cells: int) -> np.ndarray:
    """(size, size) float32 in about [-1, 1]: random values on a grid, interpolated."""
    grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def texture(rng: Rng, size: int, part: Part = WHOLE) -> np.ndarray:
    """One random pattern: stripes, rings, checks or patchy noise, never quite even.

    Args:
        rng: source of randomness.
        size: side of the picture, pixels.
        part: which of its (h, w) rows and columns to compute.

    Returns:
        (h, w) float32 in about [-1, 1].
    """
    axis = np.arange(size, dtype=np.float32)
    x, y = axis[None, part[1]], axis[part[0], None]
    angle = rng.uniform(0, np.pi)
    warp = smooth_noise(rng, size, 4)[part] * (size * 0.03)
    # float(): a numpy scalar would make the whole pattern float64, at twice the time.
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    along = cos * x + sin * y + warp
    wave = float(2 * np.pi / (size * rng.uniform(0.035, 0.09)))
    kind = rng.integers(4)
    if kind == 0:
        pattern = np.clip(1.6 * np.sin(wave * along), -1, 1)
    elif kind == 1:
        across = cos * y - sin * x + warp
        pattern = np.clip(2.5 * np.sin(wave * along) * np.sin(wave * across), -1, 1)
    elif kind == 2:
        centre = (rng.uniform(-0.3, 1.3, 2) * size).tolist()
        distance = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
        pattern = np.sin(wave * (distance + warp))
    else:
        pattern = smooth_noise(rng, size, size // 5)[part]
    return (0.75 * pattern + 0.5 * smooth_noise(rng, size, 8)[part]).astype(np.float32)


def to_bgr(hue: float, saturation: float, value: float) -> np.ndarray:
    """(3,) float32 in [0, 255], BGR; hue in turns, the others in [0, 1]."""
    shift = np.array([1.0, 3.0, 5.0])  # blue, green, red
    ramp = (shift + hue * 6) % 6
    part = np.clip(np.minimum(ramp, 4 - ramp), 0, 1)
    return (255 * value * (1 - saturation * part)).astype(np.float32)


def _polyline(canvas: np.ndarray, points: np.ndarray, colour: np.ndarray, width: int) -> None:
    fixed = np.round(points * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed], False, colour.tolist(), width, cv2.LINE_AA, shift=4)


def _fragment(rng: Rng, canvas: np.ndarray, colour: np.ndarray) -> None:
    """A loose tip, bar or arc, such as the ends of the objects are made of."""
    size = canvas.shape[0]
    centre = rng.uniform(0, size, 2)
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.16) * size
    along = np.array([np.cos(angle), np.sin(angle)]) * length
    side = np.array([-along[1], along[0]]) * rng.uniform(0.1, 0.22)
    if rng.random() < 0.3:
        bend = np.linspace(0, np.pi, 12)[:, None]
        points = centre + np.cos(bend) * along + np.sin(bend) * side * 4
        _polyline(canvas, points, colour, int(rng.integers(1, 3)))
        return
    far = side if rng.random() < 0.4 else 0 * side
    corners = np.stack([centre - side, centre + side, centre + along + far, centre + along - far])
    fixed = np.round(corners * 16).astype(np.int32)
    cv2.fillConvexPoly(canvas, fixed, colour.tolist(), cv2.LINE_AA, shift=4)


def background(rng: Rng, size: int, hue: float, value: float, difficulty: float) -> np.ndarray:
    """Paint what lies behind the objects.

    Args:
        rng: source of randomness.
        size: side, pixels.
        hue: of the picture, in turns.
        value: mean brightness in [0, 1].
        difficulty: in [0, 1]; more texture, more lines and fragments.

    Returns:
        (size, size, 3) float32, BGR, about [0, 255].
    """
    base = to_bgr(hue, rng.uniform(0.25, 0.5), value)
    other = to_bgr(hue + rng.uniform(-0.12, 0.12), rng.uniform(0.25, 0.55), value * 0.9)
    mix = 0.5 + 0.5 * smooth_noise(rng, size, 3)[..., None]
    light = (
        1 + 0.12 * smooth_noise(rng, size, 3) + float(0.03 + 0.1 * difficulty) * texture(rng, size)
    )
    canvas = (base * (1 - mix) + other * mix) * light[..., None]
    # OpenCV smooths edges on 8-bit pictures only.
    canvas = np.clip(canvas, 0, 255).astype(np.uint8)
    for _ in range(int(rng.poisson(4 + 22 * difficulty))):
        shade = 1 + rng.choice((-1, 1)) * rng.uniform(0.08, 0.16 + 0.1 * difficulty)
        colour = to_bgr(hue + rng.uniform(-0.15, 0.15), rng.uniform(0.25, 0.6), value) * shade
        if rng.random() < 0.35:
            ends = rng.uniform(-0.1, 1.1, (2, 2)) * size
            middle = ends.mean(0) + rng.normal(0, 0.12 * size, 2)
            step = np.linspace(0, 1, 20)[:, None]
            curve = (1 - step) ** 2 * ends[0] + 2 * step * (1 - step) * middle + step**2 * ends[1]
            _polyline(canvas, curve, colour, int(rng.integers(1, 3)))
        else:
            _fragment(rng, canvas, colour)
    return canvas.astype(np.float32)


def surface(
    rng: Rng, size: int, part: Part, hue: float, value: float, difficulty: float
) -> np.ndarray:
    """Paint a piece of an object's material.

    Args:
        rng: source of randomness.
        size: side of the picture, pixels.
        part: which of its (h, w) rows and columns to paint.
        hue: of the picture, in turns; the object's is nearer to it the higher the difficulty.
        value: mean brightness of the background in [0, 1].
        difficulty: in [0, 1]; less contrast to the background, in hue and in brightness.

    Returns:
        (h, w, 3) float32, BGR, about [0, 255].
    """
    easy = (1 - difficulty) ** 1.5
    turn = rng.choice((-1, 1)) * rng.uniform(0.06 + 0.2 * easy, 0.14 + 0.32 * easy)
    step = rng.choice((-1, 1)) * rng.uniform(0.07 + 0.1 * easy, 0.13 + 0.22 * easy)
    if not 0.2 < value + step < 0.95:
        step = -step
    colour = to_bgr(hue + turn, rng.uniform(0.35, 0.65), value + step)
    slope = rng.uniform(-0.12, 0.12, 2).tolist()
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    light = 1 + slope[0] * axis[None, part[1]] + slope[1] * axis[part[0], None]
    light = light + float(0.05 + 0.09 * difficulty) * texture(rng, size, part)
    return (colour * light[..., None]).astype(np.float32)


def shadow(alpha: np.ndarray, shift: tuple[int, int], blur: int) -> np.ndarray:
    """Soft shadow of a coverage map: (H, W) float32 in [0, 1], moved by (x, y) and blurred."""
    moved = np.roll(alpha, shift, (1, 0))
    return cv2.blur(cv2.blur(moved, (blur, blur)), (blur, blur))
