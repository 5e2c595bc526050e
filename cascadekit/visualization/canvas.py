"""Ink and paper of all drawings: colours, panels laid out in pixels, outlines and labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

from cascadekit.errors import InputError
from cascadekit.visualization.labels import place_labels

# Okabe and Ito's colours for all kinds of colour vision, those that stand out on photos first;
# their black is left out because outlines have dark edges.
PALETTE = ("#56B4E9", "#E69F00", "#00B88A", "#F0E442", "#E8601C", "#CC79A7", "#0072B2")
INK = "#1f2328"
QUIET = "#6e7781"
DPI = 100  # one figure pixel is 0.72 points


def color_of(number: int) -> str:
    """The colour of a class or object by its number; repeats after seven."""
    return PALETTE[number % len(PALETTE)]


def ink_on(color: str) -> str:
    """Black or white, whichever is easier to read on `color`."""
    # Relative luminance as in WCAG 2; above 0.18 black has the higher contrast.
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return "black" if np.dot(linear, (0.2126, 0.7152, 0.0722)) > 0.18 else "white"


def points(pixels: float) -> float:
    """Line widths and font sizes: figure pixels as points."""
    return pixels * 72 / DPI


def new_figure(width: float, height: float) -> Figure:
    """A white figure of a size in pixels, with no tie to pyplot's list of figures."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def check_image(image: np.ndarray) -> tuple[int, int]:
    """Height and width of an RGB picture.

    Args:
        image: should be (H, W, 3) uint8 RGB.

    Returns:
        H and W, both at least 1.

    Raises:
        InputError: not (H, W, 3) uint8 with at least one pixel.
    """
    got = f"{getattr(image, 'shape', type(image).__name__)} {getattr(image, 'dtype', '')}".strip()
    if getattr(image, "ndim", 0) != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"image must be an (H, W, 3) uint8 array in RGB, got {got}")
    if image.size == 0:
        raise InputError(f"image has no pixels: {got}")
    return image.shape[0], image.shape[1]


def add_panel(
    figure: Figure, image: np.ndarray, place: tuple[float, float, float, float], name: str
) -> Axes:
    """Show a picture in a part of the figure.

    Args:
        figure: made by `new_figure`.
        image: (H, W, 3) uint8 RGB.
        place: x, y, width, height in figure pixels, from the top left.
        name: label of the axes, for whoever looks for it.

    Returns:
        Axes in pixels of the picture: (0, 0) is the top left corner of the first pixel.
    """
    x, y, w, h = place
    full_width, full_height = figure.get_size_inches() * DPI
    axes = figure.add_axes(
        (x / full_width, 1 - (y + h) / full_height, w / full_width, h / full_height), label=name
    )
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0), interpolation="antialiased", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def outline(axes: Axes, box: Sequence[float], color: str, width: float = 3.0) -> None:
    """Draw a box in `color` with a dark edge, so that it is seen on any background."""
    x1, y1, x2, y2 = (float(value) for value in box)
    patch = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, joinstyle="miter")
    patch.set_linewidth(points(width))
    # Wider by an even number: both lines snap to the same pixels' middle.
    patch.set_path_effects([Stroke(linewidth=points(width + 2), foreground="#00000080"), Normal()])
    axes.add_patch(patch)


def outline_truth(axes: Axes, box: Sequence[float], width: float = 1.0) -> None:
    """Draw ground truth as thin white dashes; they stay visible where a box lies on them."""
    x1, y1, x2, y2 = (float(value) for value in box)
    # The dark line goes under the boxes, so that a tight box keeps its colour.
    for color, style, order in (("#000000b0", "solid", 0.9), ("white", (0, (4, 4)), 2)):
        patch = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, zorder=order)
        patch.set(linestyle=style, linewidth=points(width + (order < 1)))
        axes.add_patch(patch)


def add_labels(
    axes: Axes,
    boxes: Sequence[Sequence[float]],
    texts: Sequence[str],
    colors: Sequence[str],
    size: float = 13.0,
) -> None:
    """Write the label of each box on a plate of its colour, where there is room.

    Args:
        axes: made by `add_panel`.
        boxes: N boxes xyxy in pixels of the picture; N may be 0.
        texts: N labels.
        colors: N colours.
        size: of the letters, figure pixels.
    """
    figure = axes.figure
    renderer = figure.canvas.get_renderer()
    font = FontProperties(size=points(size))
    window = axes.get_window_extent(renderer)
    width, height = abs(np.ptp(axes.get_xlim())), abs(np.ptp(axes.get_ylim()))
    scale_x, scale_y = width / window.width, height / window.height
    sizes = []
    for text in texts:
        text_width = renderer.get_text_width_height_descent(text, font, ismath=False)[0]
        sizes.append(((text_width + 0.7 * size) * scale_x, 1.45 * size * scale_y))
    places = place_labels([tuple(map(float, box)) for box in boxes], sizes, width, height)
    for text, color, place, (w, h) in zip(texts, colors, places, sizes, strict=True):
        if place is None:
            continue
        x, y = place
        axes.add_patch(Rectangle((x, y), w, h, facecolor=color, linewidth=0, zorder=4))
        axes.text(
            x + w / 2,
            y + h / 2,
            text,
            color=ink_on(color),
            fontproperties=font,
            ha="center",
            va="center_baseline",
            zorder=5,
            parse_math=False,  # a class may be called "$5"
        )


def fill_difference(
    axes: Axes, box: Sequence[float], reference: Sequence[float], color: str
) -> None:
    """Shade what lies in exactly one of two boxes; it shrinks to nothing as they meet."""
    xs = sorted({box[0], box[2], reference[0], reference[2]})
    ys = sorted({box[1], box[3], reference[1], reference[3]})
    for left, right in pairwise(xs):
        for top, bottom in pairwise(ys):
            x, y = (left + right) / 2, (top + bottom) / 2
            inside = [b[0] < x < b[2] and b[1] < y < b[3] for b in (box, reference)]
            if inside[0] != inside[1]:
                cell = Rectangle((left, top), right - left, bottom - top)
                # Without smoothed edges neighbouring cells show no seam.
                cell.set(facecolor=color, alpha=0.45, linewidth=0, antialiased=False)
                axes.add_patch(cell)


def write(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    size: float,
    bold: bool = False,
    color: str = INK,
    align: str = "left",
) -> None:
    """Write on the figure itself, vertically centred at (x, y) figure pixels from the top left."""
    width, height = figure.get_size_inches() * DPI
    figure.text(
        x / width,
        1 - y / height,
        text,
        size=points(size),
        weight="bold" if bold else "normal",
        color=color,
        ha=align,
        va="center_baseline",
        parse_math=False,
    )


def add_gauge(figure: Figure, x: float, y: float, length: float, value: float) -> None:
    """A bar filled to `value` in [0, 1], at (x, y) figure pixels from the top left."""
    width, height = figure.get_size_inches() * DPI
    for share, color in ((1.0, "#d8dee4"), (min(max(value, 0.0), 1.0), INK)):
        bar = Rectangle((x / width, 1 - (y + 5) / height), share * length / width, 5 / height)
        bar.set(facecolor=color, linewidth=0, transform=figure.transFigure)
        figure.add_artist(bar)
