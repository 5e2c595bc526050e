"""Figures that stay below a size."""

import cv2
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from cascadekit.experiments.small_files import save_small
from cascadekit.visualization.canvas import add_panel, new_figure
from cascadekit.visualization.plots import new_plots


def test_a_plot_keeps_its_pixels(tmp_path):
    figure, _ = new_plots(["one", "two"], size=(200, 150))
    size = save_small(figure, tmp_path / "x.png")
    assert size == (tmp_path / "x.png").stat().st_size < 120_000
    assert cv2.imread(str(tmp_path / "x.png")).shape == (150, 400, 3)


def noise(width, height):
    """The picture that compresses worst."""
    figure = new_figure(width, height)
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    add_panel(figure, image, (0, 0, width, height), "noise")
    return figure


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_noise_is_made_smaller(tmp_path, name):
    assert save_small(noise(200, 150), tmp_path / name, most=16_000) <= 16_000
    assert cv2.imread(str(tmp_path / name)).shape[1] < 200


def test_photos_keep_their_colours(tmp_path):
    figure = noise(100, 80)
    axes = figure.axes[0]
    axes.add_patch(Rectangle((20, 20), 40, 40, color="#E69F00"))
    save_small(figure, tmp_path / "x.jpg")
    blue, green, red = cv2.imread(str(tmp_path / "x.jpg"))[40, 40]
    assert abs(int(red) - 0xE6) < 12 and abs(int(green) - 0x9F) < 12 and blue < 12


def test_what_has_not_changed_is_not_written(tmp_path):
    for _ in range(2):
        figure, _ = new_plots(["one"], size=(100, 100))
        save_small(figure, tmp_path / "x.png")
        (tmp_path / "x.png").chmod(0o444)
    before = (tmp_path / "x.png").read_bytes()
    save_small(figure, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == before
