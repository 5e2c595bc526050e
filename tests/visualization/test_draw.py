"""Pictures of detections."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cascadekit.errors import InputError
from cascadekit.structures.samples import Detections
from cascadekit.visualization import draw_detections, save_figure
from cascadekit.visualization.canvas import PALETTE

IMAGE = np.full((60, 80, 3), 128, np.uint8)
CLASSES = ("cat", "$dog_1$", "dog")  # a dollar sign would start a formula


def detections(boxes, labels, scores, masks=None):
    return Detections(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(scores),
        torch.tensor(labels, dtype=torch.long),
        torch.arange(len(labels)),
        masks,
    )


def outlines(axes):
    return [p for p in axes.patches if isinstance(p, Rectangle) and not p.get_fill()]


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_boxes_above_the_threshold_are_drawn_and_named():
    found = detections([[5, 5, 30, 30], [40, 20, 70, 50], [1, 1, 9, 9]], [0, 1, 2], [0.9, 0.5, 0.2])
    figure = draw_detections(IMAGE, found, CLASSES)
    (axes,) = figure.axes
    assert isinstance(figure, Figure) and axes.get_label() == "detections"
    assert [text.get_text() for text in axes.texts] == ["cat 0.90", "$dog_1$ 0.50"]
    boxes = sorted((p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in outlines(axes))
    assert boxes == [(5, 5, 25, 25), (40, 20, 30, 30)]
    # 80 x 60 at 1200 pixels on the longer side.
    assert pixels(figure).shape == (900, 1200, 3)


def test_masks_tint_their_pixels_only():
    found = detections([[10, 10, 30, 30]], [0], [0.9], torch.ones(1, 14, 14))
    picture = pixels(draw_detections(IMAGE, found, CLASSES, size=800))
    assert abs(picture[500, 700] - 128).max() == 0
    color = np.array([int(PALETTE[0][i : i + 2], 16) for i in (1, 3, 5)])
    assert abs(picture[280, 280] - (0.6 * 128 + 0.4 * color)).max() <= 2


@pytest.mark.parametrize("color_by, distinct", [("class", 1), ("object", 2)])
def test_colour_by_class_or_object(color_by, distinct):
    found = detections([[5, 5, 30, 30], [40, 20, 70, 50]], [1, 1], [0.9, 0.8])
    figure = draw_detections(IMAGE, found, CLASSES, color_by=color_by)
    assert len({p.get_edgecolor() for p in outlines(figure.axes[0])}) == distinct


@pytest.mark.parametrize(
    "boxes, masks",
    [
        ([], None),
        ([], torch.ones(0, 14, 14)),
        ([[3, 3, 4, 4]], torch.ones(1, 14, 14)),  # one pixel
        ([[3, 3, 3, 3]], torch.ones(1, 14, 14)),  # empty box
        ([[0, 0, 80, 60]], torch.zeros(1, 14, 14)),  # a mask of nothing
        ([[-5, -5, 200, 200]], None),  # runs out of the picture
    ],
)
@pytest.mark.parametrize("image", [IMAGE, np.zeros((60, 1, 3), np.uint8)])
def test_odd_detections_are_drawn(boxes, masks, image):
    figure = draw_detections(
        image, detections(boxes, [0] * len(boxes), [0.9] * len(boxes), masks), CLASSES
    )
    assert len(outlines(figure.axes[0])) == len(boxes)
    assert pixels(figure).shape[0] == 1200 or image is IMAGE


@pytest.mark.parametrize(
    "image, label, color_by, message",
    [
        (IMAGE[..., 0], 0, "class", r"\(60, 80\) uint8"),
        (IMAGE / 255, 0, "class", "float64"),
        (IMAGE[:0], 0, "class", "no pixels"),
        (IMAGE, 3, "class", "label 3, but there are 3 class names"),
        (IMAGE, 0, "colour", "'class' or 'object'"),
    ],
)
def test_faults_are_named(image, label, color_by, message):
    with pytest.raises(InputError, match=message):
        draw_detections(
            image, detections([[1, 1, 9, 9]], [label], [0.9]), CLASSES, 0.3, 9, color_by
        )


def test_figure_is_written_whole(tmp_path):
    figure = draw_detections(IMAGE, detections([], [], []), CLASSES, size=100)
    save_figure(figure, tmp_path / "new" / "a.png", scale=2)
    data = (tmp_path / "new" / "a.png").read_bytes()
    assert data[:4] == b"\x89PNG" and int.from_bytes(data[16:20], "big") == 200
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    with pytest.raises(InputError, match=r"must end in \.png"):
        save_figure(figure, tmp_path / "a.jpg")


def test_pyplot_is_never_imported():
    code = "import sys, cascadekit.visualization; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
