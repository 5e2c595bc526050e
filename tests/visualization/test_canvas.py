"""Colours, and shapes drawn on panels."""

from __future__ import annotations

import numpy as np
import pytest

from cascadekit.visualization.canvas import (
    add_labels,
    add_panel,
    color_of,
    fill_difference,
    ink_on,
    new_figure,
)


def panel():
    figure = new_figure(400, 200)
    return add_panel(figure, np.zeros((100, 200, 3), np.uint8), (0, 0, 400, 200), "panel")


def test_palette_repeats_and_text_is_readable():
    assert color_of(7) == color_of(0) != color_of(1)
    assert [ink_on(color) for color in ("white", "#F0E442", "#0000AA", "black")] == [
        "black",
        "black",
        "white",
        "white",
    ]


@pytest.mark.parametrize(
    "box, reference, area",
    [
        ((10, 10, 20, 20), (10, 10, 20, 20), 0),  # equal
        ((10, 10, 20, 20), (15, 10, 25, 20), 100),  # half shared: 50 of each
        ((10, 10, 20, 20), (30, 30, 40, 40), 200),  # disjoint
        ((10, 10, 20, 20), (12, 12, 18, 18), 64),  # one inside the other
        ((10, 10, 10, 10), (12, 12, 18, 18), 36),  # an empty box
    ],
)
def test_difference_of_two_boxes(box, reference, area):
    axes = panel()
    fill_difference(axes, box, reference, "red")
    assert sum(p.get_width() * p.get_height() for p in axes.patches) == area


def test_panel_is_in_pixels_of_the_picture():
    axes = panel()
    assert axes.get_xlim() == (0, 200) and axes.get_ylim() == (100, 0)
    # (0, 0) is the corner of the first pixel: top left on the sheet.
    assert axes.transData.transform((0, 0)) == pytest.approx((0, 200))
    assert axes.transData.transform((50, 100)) == pytest.approx((100, 0))


def test_labels_hold_their_text():
    axes = panel()
    add_labels(axes, [(20, 30, 60, 70), (20, 30, 60, 70)], ["a long name", "b"], ["red", "blue"])
    renderer = axes.figure.canvas.get_renderer()
    plates = [plate.get_window_extent(renderer) for plate in axes.patches]
    # Both want the same place: the second goes under the first, and they only touch.
    assert len(plates) == 2 and plates[1].y1 <= plates[0].y0 + 1e-6
    for plate, text in zip(plates, axes.texts, strict=True):
        word = text.get_window_extent(renderer)
        assert plate.x0 <= word.x0 and word.x1 <= plate.x1
