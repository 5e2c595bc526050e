"""Figures as files that a repository can carry: below a size, whatever is in them."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image  # matplotlib brings it

MOST_BYTES = 120_000
COLORS = 128  # of a palette; lines and letters lose nothing by it
QUALITY = 82  # of a JPEG, out of 100
SCALES = (1.0, 0.85, 0.7, 0.55, 0.4)


def save_small(figure: Figure, path: Path, most: int = MOST_BYTES) -> int:
    """Write a figure, smaller in pixels if it has to be.

    Args:
        figure: any.
        path: of the file, in a folder that is there. Its ending says how: `.png` with a palette,
            for plots, or `.jpg`, for photos, whose colours a palette would change.
        most: bytes that the file may have.

    Returns:
        Bytes of the file. At the smallest scale it is written whatever its size.
    """
    data = b""
    for scale in SCALES:
        data = _encoded(figure, scale, path.suffix)
        if len(data) <= most:
            break
    if not path.is_file() or path.read_bytes() != data:
        path.write_bytes(data)
    return len(data)


def _encoded(figure: Figure, scale: float, suffix: str) -> bytes:
    buffer, out = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi * scale)
    image = Image.open(buffer).convert("RGB")
    if suffix == ".jpg":
        # Full colour resolution: thin coloured outlines are what the picture is about.
        image.save(out, format="JPEG", quality=QUALITY, subsampling=0, optimize=True)
    else:
        # Without dithering flat areas stay flat, and the file small.
        palette = image.quantize(COLORS, dither=Image.Dither.NONE)
        palette.save(out, format="PNG", optimize=True)
    return out.getvalue()
