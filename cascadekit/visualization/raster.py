"""Fast pictures for the viewer: boxes painted on pixels, a few milliseconds each.

matplotlib draws finer, and takes ten times as long as a key press may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from cascadekit.structures.masks import paste
from cascadekit.visualization.canvas import check_image, ink_on
from cascadekit.visualization.story import Story

JPEG_QUALITY = 88
FAINT = 0.45  # how much of an outline's colour is left where another object is picked


@dataclass(frozen=True)
class Backdrop:
    """A picture at the size it is shown.

    Attributes:
        pixels: (h, w, 3) uint8 BGR.
        scale: shown pixels per pixel of the file.
    """

    pixels: np.ndarray
    scale: float


def backdrop(image: np.ndarray, longest: int = 640) -> Backdrop:
    """Bring a picture to the size it is shown at.

    Args:
        image: (H, W, 3) uint8 RGB.
        longest: the longer side, shown pixels; a smaller picture is enlarged.

    Returns:
        The picture, ready to paint on.

    Raises:
        InputError: the image is of another kind.
    """
    height, width = check_image(image)
    scale = longest / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pixels = cv2.resize(np.ascontiguousarray(image[:, :, ::-1]), size, interpolation=way)
    return Backdrop(pixels, scale)


def tint_masks(under: Backdrop, image: np.ndarray, story: Story, rows: Sequence[int]) -> Backdrop:
    """Lay translucent colour over the final masks of some objects.

    Args:
        under: of `backdrop`.
        image: (H, W, 3), the picture whose size the masks have.
        story: D objects; without masks nothing changes.
        rows: of the objects.

    Returns:
        Another backdrop.
    """
    found = story.found
    if found.mask_probs is None or not rows:
        return under
    keep = list(rows)
    masks = paste(found.mask_probs[keep], found.boxes[keep].float().cpu(), *image.shape[:2])
    pixels = under.pixels.copy()
    size = (pixels.shape[1], pixels.shape[0])
    for row, mask in reversed(list(zip(keep, masks.to_bitmaps().numpy(), strict=True))):
        inside = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        color = np.array(to_rgb(story.colors[row])[::-1], np.float32) * 255
        pixels[inside] = (0.6 * pixels[inside] + 0.4 * color).round()
    return Backdrop(pixels, under.scale)


def paint_stage(
    under: Backdrop, story: Story, stage: int, rows: Sequence[int], picked: int | None
) -> bytes:
    """The objects' boxes at one stage.

    Args:
        under: of `backdrop`.
        story: D objects, S stages.
        stage: 0: proposals; 1..S: after that stage; S + 1: the final boxes.
        rows: of the objects shown; may be empty.
        picked: the object drawn thick and labelled; None: all alike.

    Returns:
        A JPEG file.
    """
    canvas = under.pixels.copy()
    boxes = boxes_at(story, stage)
    for row in reversed(list(rows)):
        if row != picked:
            _outline(canvas, boxes[row], story.colors[row], under.scale, 2, picked is None)
    if picked is not None:
        _outline(canvas, boxes[picked], story.colors[picked], under.scale, 3, True)
    if story.truths is not None:
        for row in rows if picked is None else [picked]:
            if story.known[row]:
                _dashes(canvas, story.reference[row].tolist(), under.scale)
    if picked is not None:
        _label(canvas, boxes[picked], story.names[picked], story.colors[picked], under.scale)
    ok, encoded = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert ok
    return bytes(encoded.tobytes())


def boxes_at(story: Story, stage: int) -> list[list[float]]:
    """D boxes xyxy, pixels of the file, at a stage 0..S + 1; the last are the final boxes."""
    last = stage == len(story.boxes)
    boxes: list[list[float]] = (story.found.boxes if last else story.boxes[stage]).tolist()
    return boxes


def _bgr(color: str, share: float = 1.0) -> tuple[float, float, float]:
    r, g, b = (255 * (share * c + (1 - share) * 0.5) for c in to_rgb(color))
    return b, g, r


def _corners(
    canvas: np.ndarray, box: Sequence[float], scale: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Top left and bottom right in shown pixels, kept where OpenCV's whole numbers end."""
    height, width = canvas.shape[:2]
    x1, y1, x2, y2 = (value * scale for value in box)
    left, right = (round(min(max(x, -9.0), width + 9.0)) for x in (x1, x2))
    top, bottom = (round(min(max(y, -9.0), height + 9.0)) for y in (y1, y2))
    return (left, top), (right, bottom)


def _outline(
    canvas: np.ndarray, box: Sequence[float], color: str, scale: float, width: int, strong: bool
) -> None:
    """A box with a dark edge, so that it is seen on any background."""
    start, stop = _corners(canvas, box, scale)
    cv2.rectangle(canvas, start, stop, (30, 30, 30), width + 2)
    cv2.rectangle(canvas, start, stop, _bgr(color, 1.0 if strong else FAINT), width)


def _dashes(canvas: np.ndarray, box: Sequence[float], scale: float, length: int = 5) -> None:
    """Ground truth: thin white dashes."""
    (x1, y1), (x2, y2) = _corners(canvas, box, scale)
    for x in range(x1, x2, 2 * length):
        for y in (y1, y2):
            cv2.line(canvas, (x, y), (min(x + length, x2), y), (255, 255, 255), 1)
    for y in range(y1, y2, 2 * length):
        for x in (x1, x2):
            cv2.line(canvas, (x, y), (x, min(y + length, y2)), (255, 255, 255), 1)


def _label(canvas: np.ndarray, box: Sequence[float], name: str, color: str, scale: float) -> None:
    """The object's name on a plate above its box, or inside it where there is no room."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    text = name.encode("ascii", "replace").decode()  # OpenCV's letters are ASCII
    (width, height), _ = cv2.getTextSize(text, font, size, 1)
    (x, y), _ = _corners(canvas, box, scale)
    x = min(max(x, 0), max(canvas.shape[1] - width - 8, 0))
    y = y - height - 8 if y >= height + 8 else max(y, 0)
    cv2.rectangle(canvas, (x, y), (x + width + 8, y + height + 8), _bgr(color), -1)
    ink = (0, 0, 0) if ink_on(color) == "black" else (255, 255, 255)
    place = (x + 4, y + height + 3)
    cv2.putText(canvas, text, place, font, size, ink, 1, cv2.LINE_AA)
