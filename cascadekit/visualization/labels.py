"""Places for labels, so that none covers another or runs out of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Box = tuple[float, float, float, float]  # x1, y1, x2, y2
Point = tuple[float, float]


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[Point], width: float, height: float
) -> list[Point | None]:
    """Choose where the label of each box goes; earlier boxes choose first.

    Args:
        boxes: N boxes xyxy in any unit; N may be 0. They may reach out of the picture.
        sizes: (width, height) of each label in the same unit.
        width: of the picture.
        height: of the picture.

    Returns:
        Top left corner of each label, or None where no place near its box is free.
    """
    places: list[Point | None] = []
    taken: list[Box] = []
    for box, (w, h) in zip(boxes, sizes, strict=True):
        place = None
        for x, y in _candidates(box, w, h, width):
            spot = (x, y, x + w, y + h)
            inside = x >= 0 and y >= 0 and x + w <= width and y + h <= height
            if inside and not any(_overlap(spot, other) for other in taken):
                place = (x, y)
                taken.append(spot)
                break
        places.append(place)
    return places


def _candidates(box: Box, w: float, h: float, width: float) -> Iterator[Point]:
    """Places for a label of size (w, h), the best first: on the box, inside it, under it, near."""
    x1, y1, x2, y2 = box
    # Slid sideways rather than dropped when the box is near the right border.
    columns = [max(min(x, width - w), 0.0) for x in (x1, x2 - w, (x1 + x2 - w) / 2)]
    rows = [y1 - h, max(y1, 0.0), y2, y2 - h]
    rows += [y1 - 2 * h, y1 + h, y2 + h, y2 - 2 * h, (y1 + y2 - h) / 2]
    for y in rows:
        for x in columns:
            yield x, y


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
