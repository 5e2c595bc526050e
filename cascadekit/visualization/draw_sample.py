"""One picture as training sees it, with its ground truth drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cascadekit.errors import InputError
from cascadekit.structures.samples import ImageInfo, Targets
from cascadekit.visualization.canvas import (
    INK,
    QUIET,
    add_labels,
    add_panel,
    check_image,
    color_of,
    new_figure,
    outline,
    points,
    write,
)

IGNORED = "#ff2e63"  # a colour that no class has
CAPTION = 40  # figure pixels below the picture
LETTER = 6.4  # figure pixels that a letter of the caption takes


@dataclass(frozen=True)
class SeenPicture:
    """A picture after the pipeline.

    Attributes:
        image: (H, W, 3) uint8 RGB, network pixels.
        targets: ground truth in the same pixels.
        info: its geometry.
    """

    image: np.ndarray
    targets: Targets
    info: ImageInfo

    def captions(self) -> tuple[str, str]:
        """The file, and what was done to it and what is on it."""
        (height, width), (old_height, old_width) = self.info.size, self.info.original_size
        name = Path(self.info.path).name if self.info.path else str(self.info.image_id)
        size = f"{old_width} x {old_height} -> {width} x {height}"
        flipped = ", flipped" if self.info.flipped else ""
        count = len(self.targets.boxes)
        objects = f"{count} object{'' if count == 1 else 's'}"
        regions = len(self.targets.ignored_boxes)
        ignored = f", {regions} to ignore" if regions else ""
        return name, f"{size}{flipped}; {objects}{ignored}"


def draw_sample(seen: SeenPicture, classes: Sequence[str], size: int = 640) -> Figure:
    """Boxes, masks and ignore regions of one picture, with a caption of what was done to it.

    Args:
        seen: the picture; it may have no objects.
        classes: K names.
        size: of the picture's longer side, figure pixels.

    Returns:
        A figure with one axes labelled "sample". Regions to ignore are hatched.

    Raises:
        InputError: the image is of another kind, or a label has no name.
    """
    height, width = check_image(seen.image)
    names = _names(seen.targets, classes)
    colors = [color_of(label) for label in seen.targets.labels.tolist()]
    scale = size / max(height, width)
    wide, tall = max(width * scale, 1.0), max(height * scale, 1.0)
    full = max(wide, 260.0)  # narrow pictures leave room for the caption
    figure = new_figure(full, tall + CAPTION)
    place = ((full - wide) / 2, 0.0, wide, tall)
    axes = add_panel(figure, _tinted(seen, colors), place, "sample")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    for box in seen.targets.ignored_boxes.tolist():
        _hatch(axes, box)
    boxes = seen.targets.boxes.tolist()
    thin = 2.0 if len(boxes) < 60 else 1.0
    for box, color in zip(boxes, colors, strict=True):
        outline(axes, box, color, thin)
    add_labels(axes, boxes, names, colors, size=11)
    room = int(full / LETTER)
    for k, text in enumerate(seen.captions()):
        # Of a long name the end tells files apart, of what was done the beginning counts.
        cut = text[: room - 3] + "..." if k else "..." + text[3 - room :]
        shown = text if len(text) <= room else cut
        write(figure, 2, tall + 12 + 16 * k, shown, 12, color=QUIET if k else INK)
    return figure


def _names(targets: Targets, classes: Sequence[str]) -> list[str]:
    labels = targets.labels.tolist()
    for label in labels:
        if not 0 <= label < len(classes):
            raise InputError(f"an object has label {label}, but there are {len(classes)} classes")
    return [str(classes[label]) for label in labels]


def _tinted(seen: SeenPicture, colors: Sequence[str]) -> np.ndarray:
    """The picture with translucent colour over the masks, smaller windows on top."""
    masks = seen.targets.masks
    if masks is None or not len(masks):
        return seen.image
    tinted = seen.image.astype(np.float32)
    windows, pixels = masks.windows.tolist(), masks.pixels.numpy()
    starts = masks.offsets().tolist()
    sizes = [(y2 - y1) * (x2 - x1) for x1, y1, x2, y2 in windows]
    for k in sorted(range(len(windows)), key=lambda k: -sizes[k]):
        x1, y1, x2, y2 = windows[k]
        bitmap = pixels[starts[k] : starts[k] + sizes[k]].reshape(y2 - y1, x2 - x1) > 0
        part = tinted[y1:y2, x1:x2]
        part[bitmap] = 0.55 * part[bitmap] + 0.45 * 255 * np.array(to_rgb(colors[k]), np.float32)
    return tinted.round().astype(np.uint8)


def _hatch(axes: Axes, box: Sequence[float]) -> None:
    """A region to ignore: hatched, so that it is told from an object in any colour."""
    x1, y1, x2, y2 = box
    region = Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor="none", edgecolor=IGNORED)
    region.set(hatch="////", linewidth=points(1.5), linestyle=(0, (6, 3)))
    axes.add_patch(region)
