"""Figures that stay below a size."""

import cv2
import numpy as np

from cascadekit.experiments.small_png import save_small
from cascadekit.visualization.canvas import add_panel, new_figure
from cascadekit.visualization.plots import new_plots


def test_a_plot_keeps_its_pixels(tmp_path):
    figure, _ = new_plots(["one", "two"], size=(200, 150))
    size = save_small(figure, tmp_path / "x.png")
    assert size == (tmp_path / "x.png").stat().st_size < 120_000
    assert cv2.imread(str(tmp_path / "x.png")).shape == (150, 400, 3)


def test_noise_is_made_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    figure = new_figure(400, 300)
    add_panel(figure, noise, (0, 0, 400, 300), "noise")
    assert save_small(figure, tmp_path / "x.png", most=80_000) <= 80_000
    assert cv2.imread(str(tmp_path / "x.png")).shape[1] < 400


def test_what_has_not_changed_is_not_written(tmp_path):
    for _ in range(2):
        figure, _ = new_plots(["one"], size=(100, 100))
        save_small(figure, tmp_path / "x.png")
        (tmp_path / "x.png").chmod(0o444)
    before = (tmp_path / "x.png").read_bytes()
    save_small(figure, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == before
