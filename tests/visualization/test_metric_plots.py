"""Curves of metrics: what is drawn, thinned and left out."""

import numpy as np
import pytest

from cascadekit.visualization.metric_plots import MOST, Line, Panel, plot_metric_curves

X = np.linspace(0, 1, 5)


def drawn(figure):
    return [line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")]


def test_nan_is_left_out():
    """Precision of 0 / 0 at the top of WiderFace's curve."""
    panel = Panel("a", (Line("one", X, np.array([np.nan, 1, 1, 0.5, 0])),))
    (line,) = drawn(plot_metric_curves("precision-recall", [[panel]]))
    assert line.get_xdata().tolist() == [0.25, 0.5, 0.75, 1]
    assert line.get_label() == "one"


def test_two_sets_share_colours():
    panel = Panel("a", (Line("one", X, X), Line("two", X, X)))
    lines = drawn(plot_metric_curves("recall-iou", [[panel], [panel]]))
    assert [line.get_label() for line in lines] == ["A, one", "A, two", "B, one", "B, two"]
    assert [line.get_linestyle() for line in lines] == ["-", "-", "--", "--"]
    assert lines[0].get_color() == lines[2].get_color() != lines[1].get_color()


def test_logarithmic_axes_have_no_zero():
    """FPPI starts at 0 where hits rank first; a miss rate of 0 is drawn at the lower end."""
    line = Line("one", np.array([0, 0.01, 0.1, 1]), np.array([0.9, 0.5, 0.2, 0.0]))
    figure = plot_metric_curves("miss-rate", [[Panel("a", (line,))]])
    (found,) = drawn(figure)
    assert found.get_xdata().tolist() == [0.01, 0.1, 1]
    assert found.get_ydata().min() > 0
    assert figure.axes[0].get_ylim()[0] == pytest.approx(0.8 * 0.2)  # the lowest above 0
    figure.canvas.draw()


@pytest.mark.parametrize("kind", ["precision-recall", "miss-rate"])
def test_long_lines_keep_their_ends(kind):
    x = np.linspace(0.001, 1, 100_000)
    (line,) = drawn(plot_metric_curves(kind, [[Panel("a", (Line("one", x, 1 - x),))]]))
    assert len(line.get_xdata()) <= MOST
    assert line.get_xdata()[0] == pytest.approx(0.001)
    assert line.get_xdata()[-1] == 1


@pytest.mark.parametrize("kind", ["precision-recall", "miss-rate", "recall-iou"])
def test_nothing_to_draw(kind):
    empty = Line("none", np.zeros(0), np.zeros(0))
    for panel in (Panel("a", ()), Panel("a", (empty,))):
        plot_metric_curves(kind, [[panel]]).canvas.draw()
