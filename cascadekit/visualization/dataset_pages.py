"""What a data set gives after its transforms: single pictures, a grid, and a page of them."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from mmengine import Config
from mmengine.registry import DefaultScope

from cascadekit.errors import InputError
from cascadekit.progress import quiet_in_notebook
from cascadekit.registry import DATASETS, SCOPE
from cascadekit.structures.samples import image_infos, to_targets
from cascadekit.visualization.canvas import add_panel, new_figure
from cascadekit.visualization.draw_sample import SeenPicture, draw_sample
from cascadekit.whole_file import write_text

GAP = 10  # figure pixels between the pictures of a grid
SPLITS = ("train", "val", "test")
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1f2328; margin: 1.2em; }
h1 { font-size: 1.3em; } p { color: #57606a; max-width: 60em; }
.grid { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; }
img { display: block; max-width: 100%; height: auto; border: 1px solid #d8dee4; }
"""


def open_dataset(config: Config, split: str = "train") -> Any:
    """The data set of a loader of a config, with its own pipeline.

    Args:
        config: of `load_config`.
        split: "train", "val" or "test".

    Returns:
        It, as the training will build it.

    Raises:
        InputError: another word, no such loader, or the data cannot be read.
    """
    if split not in SPLITS:
        raise InputError(f"split must be {', '.join(SPLITS)}, got {split!r}")
    loader = config.get(f"{split}_dataloader")
    if loader is None:
        raise InputError(f"{config.filename} has no {split}_dataloader to take pictures from")
    scope = DefaultScope.overwrite_default_scope(config.get("default_scope") or SCOPE)
    with scope, quiet_in_notebook():
        return DATASETS.build(loader.dataset)


def see_picture(dataset: Any, index: int, seed: int = 0) -> SeenPicture:
    """One picture as the model will see it.

    Args:
        dataset: gives {"inputs": (3, H, W) uint8 BGR, "data_samples"}, as `PackInputs` does.
        index: of the picture; negative ones count from the end.
        seed: of the transforms; another one flips and resizes otherwise.

    Returns:
        The picture with its ground truth.

    Raises:
        InputError: no such picture, or it does not go through the pipeline.
    """
    if not -len(dataset) <= index < len(dataset):
        raise InputError(f"there is no picture {index}: the data set has {len(dataset)}")
    index %= len(dataset)
    with _seeded(seed + index):
        item = dataset[index]
    if not isinstance(item, dict) or "data_samples" not in item:
        raise InputError("the pipeline must end in dict(type='cascadekit.PackInputs')")
    image = np.ascontiguousarray(item["inputs"].numpy()[::-1].transpose(1, 2, 0))
    sample = item["data_samples"]
    return SeenPicture(image, to_targets([sample])[0], image_infos([sample])[0])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Transforms draw from numpy's global generator; afterwards it goes on as before."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def class_names(dataset: Any) -> tuple[str, ...]:
    """Names of a data set's classes in label order; () where it has none."""
    return tuple(dataset.metainfo.get("classes") or ())


def draw_pictures(
    dataset: Any, indices: Sequence[int], columns: int = 4, size: int = 320, seed: int = 0
) -> Figure:
    """A grid of pictures as the model will see them.

    Args:
        dataset: see `see_picture`.
        indices: of the pictures; at least one.
        columns: of the grid.
        size: of a picture's longer side, figure pixels.
        seed: of the transforms.

    Returns:
        A figure; its axes are labelled "picture-0" and so on.

    Raises:
        InputError: no pictures, or one that cannot be seen.
    """
    if not indices or columns < 1:
        raise InputError("expected at least one picture and one column")
    names = class_names(dataset)
    drawn = [
        figure_pixels_of(draw_sample(see_picture(dataset, i, seed), names, size)) for i in indices
    ]
    rows = [drawn[k : k + columns] for k in range(0, len(drawn), columns)]
    cell = max(pixels.shape[1] for pixels in drawn)
    heights = [max(pixels.shape[0] for pixels in row) for row in rows]
    width = min(columns, len(drawn)) * (cell + GAP) + GAP
    figure = new_figure(width, sum(heights) + GAP * (len(rows) + 1))
    top = GAP
    for r, row in enumerate(rows):
        for c, pixels in enumerate(row):
            place = (GAP + c * (cell + GAP), top, pixels.shape[1], pixels.shape[0])
            add_panel(figure, pixels, place, f"picture-{r * columns + c}")
        top += heights[r] + GAP
    return figure


def figure_pixels_of(figure: Figure) -> np.ndarray:
    """What a figure looks like, (H, W, 3) uint8 RGB."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]


def picture_png(seen: SeenPicture, classes: Sequence[str], size: int) -> bytes:
    """One picture as a PNG file."""
    stream = io.BytesIO()
    figure = draw_sample(seen, classes, size)
    figure.savefig(stream, format="png", dpi=figure.dpi)
    return stream.getvalue()


def dataset_page(
    dataset: Any, indices: Sequence[int], title: str, size: int = 400, seed: int = 0
) -> str:
    """A page of pictures as the model will see them, in one file.

    Args:
        dataset: see `see_picture`.
        indices: of the pictures; may be empty.
        title: of the page; text, not HTML.
        size: of a picture's longer side, pixels.
        seed: of the transforms.

    Returns:
        HTML without links to anything; pictures are inlined.
    """
    names = class_names(dataset)
    shown = []
    for index in indices:
        seen = see_picture(dataset, index, seed)
        data = base64.b64encode(picture_png(seen, names, size)).decode("ascii")
        path, words = escape(seen.info.path), escape("; ".join(seen.captions()))
        shown.append(f'<img src="data:image/png;base64,{data}" alt="{words}" title="{path}">')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style>'
        f"</head>\n<body><h1>{escape(title)}</h1><p>{len(shown)} of {len(dataset)} pictures as the "
        "model sees them: boxes and masks by class, regions to ignore hatched. The caption has the "
        "file, its size before and after, and whether it was mirrored.</p>"
        f'<div class="grid">{"".join(shown)}</div></body></html>\n'
    )


def write_dataset_page(page: str, path: str | os.PathLike[str]) -> None:
    """Write a page, whole or not at all; folders are made.

    Args:
        page: of `dataset_page`.
        path: of the file, ending in `.html`.

    Raises:
        InputError: the path has another ending.
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a page is written as HTML: {target} must end in .html")
    write_text(target, page)
