"""The stage viewer as one HTML file: a picture, the boxes as data, and a little JavaScript."""

from __future__ import annotations

import base64
import html
import json
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from cascadekit.visualization.raster import JPEG_QUALITY, Backdrop, boxes_at, tint_masks
from cascadekit.visualization.stage_tables import iou_plot, object_table, stage_names
from cascadekit.visualization.story import Story


def stage_page(
    image: np.ndarray, story: Story, score_threshold: float, under: Backdrop, title: str = "Stages"
) -> str:
    """A self-contained page: no file and no network beside it.

    Args:
        image: (H, W, 3) uint8 RGB, the picture as on disk.
        story: D objects, S stages; D may be 0.
        score_threshold: where the score's slider begins.
        under: the picture at the size it is shown.
        title: of the page.

    Returns:
        HTML. Names of classes cannot break out of it.
    """
    height, width = under.pixels.shape[:2]
    everyone = range(len(story.names))
    masked = tint_masks(under, image, story, list(everyone))
    data = {
        "size": [width, height],
        "scale": under.scale,
        "stages": stage_names(story),
        "threshold": score_threshold,
        "picture": _data_uri(under),
        "masked": None if masked is under else _data_uri(masked),
        "objects": [_object(story, row) for row in everyone],
    }
    # Inside <script> only "</" and "<!--" could end the data.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    page = files("cascadekit.visualization").joinpath("stage_page.html").read_text("utf-8")
    return page.replace("{{title}}", html.escape(title)).replace("{{data}}", text)


def _object(story: Story, row: int) -> dict[str, Any]:
    """All that the page shows of one object; the page itself marks the stage in table and plot."""
    count = len(story.boxes) + 1
    reference = story.reference[row].tolist() if _has_truth(story, row) else None
    return {
        "name": story.names[row],
        "color": story.colors[row],
        "score": round(float(story.found.scores[row]), 4),
        "boxes": [[round(x, 2) for x in boxes_at(story, k)[row]] for k in range(count)],
        "truth": reference,
        "table": object_table(story, row, None),
        "plot": iou_plot(story, row, None),
    }


def _has_truth(story: Story, row: int) -> bool:
    return story.truths is not None and bool(story.known[row])


def _data_uri(picture: Backdrop) -> str:
    ok, encoded = cv2.imencode(".jpg", picture.pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert ok
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
