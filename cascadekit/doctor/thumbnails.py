"""Small pictures of examples, with the boxes in question drawn."""

from __future__ import annotations

import base64
import io

from PIL import Image, ImageDraw

from cascadekit.doctor.finding import Box, Example

SIDE = 220  # pixels of a thumbnail's longer side
CLOSE = 4.0  # a box this many times smaller than its picture is shown enlarged
AROUND = 0.8  # times the box's longer side that is shown on each side of it then
LEAST = 24.0  # pixels of the file that are shown at least
BEYOND = 0.4  # share of the picture's side that is shown of what lies outside
PAPER, EDGE = (200, 204, 209), (255, 255, 255)
LINE, SECOND = (232, 96, 28), (0, 114, 178)  # of a pair of boxes, each has its colour


def thumbnail(example: Example) -> str | None:
    """One example as an inlined JPEG.

    Args:
        example: of a picture or of another file.

    Returns:
        A data URI; None where the file cannot be shown as a picture.
    """
    try:
        with Image.open(example.path) as opened:
            if not example.boxes:  # a JPEG is then decoded small
                opened.draft("RGB", (2 * SIDE, 2 * SIDE))
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    window = _window(picture.size, example.boxes)
    shown = _crop(picture, window)
    scale = min(SIDE / max(shown.size), 12.0)
    size = (max(round(shown.width * scale), 1), max(round(shown.height * scale), 1))
    shown = shown.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(shown)
    for number, box in enumerate(example.boxes):
        color = SECOND if number == 1 and len(example.boxes) == 2 else LINE
        _outline(draw, [(v - window[k % 2]) * scale for k, v in enumerate(box)], color)
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _window(size: tuple[int, int], boxes: tuple[Box, ...]) -> tuple[int, int, int, int]:
    """The part to show: the picture and boxes beyond it, or a small box and what is around it."""
    width, height = size
    if not boxes:
        return 0, 0, width, height
    xs = [x for box in boxes for x in (box[0], box[2])]
    ys = [y for box in boxes for y in (box[1], box[3])]
    wide, high = max(xs) - min(xs), max(ys) - min(ys)
    if CLOSE * max(wide, high) < max(size):
        reach = max(AROUND * max(wide, high), LEAST, max(size) / 10)
        window = (min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach)
    else:
        window = (min([0, *xs]), min([0, *ys]), max([width, *xs]), max([height, *ys]))
    limits = (-BEYOND * width, -BEYOND * height, (1 + BEYOND) * width, (1 + BEYOND) * height)
    left, top = (max(round(a), round(b)) for a, b in zip(window[:2], limits[:2], strict=True))
    right, bottom = (min(round(a), round(b)) for a, b in zip(window[2:], limits[2:], strict=True))
    if right - left < 1 or bottom - top < 1:  # far outside: nothing of it can be shown
        return 0, 0, width, height
    return left, top, right, bottom


def _crop(picture: Image.Image, window: tuple[int, int, int, int]) -> Image.Image:
    """A window of a picture; what lies outside of the picture is paper."""
    left, top, right, bottom = window
    shown = Image.new("RGB", (right - left, bottom - top), PAPER)
    shown.paste(picture, (-left, -top))
    return shown


def _outline(draw: ImageDraw.ImageDraw, corners: list[float], line: tuple[int, int, int]) -> None:
    """A box with a light edge; one without extent gets a cross, so that it is seen."""
    x1, x2 = sorted(corners[0::2])
    y1, y2 = sorted(corners[1::2])
    if x2 - x1 < 3 or y2 - y1 < 3:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        for color, width in ((EDGE, 4), (line, 2)):
            draw.line((x - 7, y, x + 7, y), color, width)
            draw.line((x, y - 7, x, y + 7), color, width)
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=EDGE)
    draw.rectangle((x1, y1, x2, y2), outline=line, width=2 if min(x2 - x1, y2 - y1) > 6 else 1)
